"""Verificação: reassembly
Pista: uma retransmissão mais curta não desfaz
"""


def resposta(captura):
    dados, proximo = b"", 1
    chegaram = [s for s in captura if s.sender == "cliente" and s.data]
    for s in sorted((s for s in chegaram if not s.lost and not s.damaged), key=lambda s: s.seq):
        if s.seq <= proximo:
            dados += s.data[proximo - s.seq :]
            proximo = s.end
    return dados
