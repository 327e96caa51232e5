"""Verificação: one_conversation
Pista: As duas foram juntas
"""

from echo_lib import EchoClient


def resposta(host, porta, a, b):
    with EchoClient(host, porta) as cliente:
        return [cliente.send(a + b)]
