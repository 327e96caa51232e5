"""Verificação: server
Pista: takes 0 positional arguments
"""


def resposta():
    pass
