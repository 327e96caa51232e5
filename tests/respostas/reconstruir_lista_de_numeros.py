"""Verificação: reassembly
Pista: bytes(lista) faz bytes de uma lista de números
"""


def resposta(captura):
    itens = {}
    for s in captura:
        if s.sender == "cliente" and not s.lost and not s.damaged:
            itens |= dict(enumerate(s.data, s.seq))
    return [itens[n] for n in sorted(itens)]
