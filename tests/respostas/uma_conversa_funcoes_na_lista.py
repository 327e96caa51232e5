"""Verificação: one_conversation
Pista: uma lista com uma função dentro
"""

from echo_lib import EchoClient


def resposta(host, porta, a, b):
    with EchoClient(host, porta) as cliente:
        return [cliente.send, cliente.send]
