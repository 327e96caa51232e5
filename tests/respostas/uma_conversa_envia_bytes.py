"""Verificação: one_conversation
Pista: O send do EchoClient já faz tudo
"""

from echo_lib import EchoClient


def resposta(host, porta, a, b):
    with EchoClient(host, porta) as cliente:
        return [cliente.send(a.encode()), cliente.send(b.encode())]
