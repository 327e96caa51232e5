"""Verificação: one_conversation
Pista: A ordem é a do envio
"""

from echo_lib import EchoClient


def resposta(host, porta, a, b):
    with EchoClient(host, porta) as cliente:
        return [cliente.send(b), cliente.send(a)]
