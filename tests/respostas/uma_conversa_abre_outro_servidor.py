"""Verificação: one_conversation
Pista: a função é só o cliente
"""

from echo_lib import EchoClient, EchoServer


def resposta(host, porta, a, b):
    with EchoServer(host, porta), EchoClient(host, porta) as cliente:
        return [cliente.send(a), cliente.send(b)]
