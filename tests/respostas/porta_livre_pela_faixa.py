"""Verificação: port_is_free
Pista: Tente prender um socket a ela
"""


def resposta(porta):
    return porta < 49152
