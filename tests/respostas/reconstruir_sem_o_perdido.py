"""Verificação: reassembly
Pista: olhe o .lost
"""


def resposta(captura):
    dados = b""
    for s in sorted(captura, key=lambda s: s.seq):
        proximo = 1 + len(dados)
        if s.sender == "cliente" and s.data and not s.damaged and s.seq <= proximo < s.end:
            dados += s.data[proximo - s.seq :]
    return dados
