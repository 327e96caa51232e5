"""Verificação: port_is_free
Pista: só o bind decide
"""


def resposta(porta):
    return porta > 61000
