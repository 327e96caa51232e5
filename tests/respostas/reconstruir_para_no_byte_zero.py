"""Verificação: reassembly
Pista: O byte 0 também é um byte
"""


def resposta(captura):
    chegaram = {}
    for s in captura:
        if s.sender == "cliente" and not s.lost and not s.damaged:
            chegaram |= dict(enumerate(s.data, s.seq))
    proximo, dados = 1, b""
    while chegaram.get(proximo):
        dados += bytes([chegaram[proximo]])
        proximo += 1
    return dados
