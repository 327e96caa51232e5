"""Verificação: one_conversation
Pista: nada chegou ao servidor
"""


def resposta(host, porta, a, b):
    return [a, b]
