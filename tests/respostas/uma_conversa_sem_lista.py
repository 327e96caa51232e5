"""Verificação: one_conversation
Pista: Devolva uma lista
"""

from echo_lib import EchoClient


def resposta(host, porta, a, b):
    with EchoClient(host, porta) as cliente:
        return cliente.send(a) + cliente.send(b)
