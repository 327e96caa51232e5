"""Verificação: reassembly
Pista: a conta do próximo avança com cada pedaço que você junta
"""


def resposta(segmentos):
    dados, proximo = b"", 1
    chegou = [s for s in segmentos if s.sender == "cliente" and not s.lost and not s.damaged]
    for s in sorted(chegou, key=lambda s: s.seq):
        if s.seq > proximo:
            break
        dados += s.data[proximo - s.seq :]
    return dados
