"""Verificação: one_conversation
Pista: O segundo eco devia ser o de `b`
"""

from echo_lib import EchoClient


def resposta(host, porta, a, b):
    with EchoClient(host, porta) as cliente:
        return [cliente.send(a), cliente.send(a)]
