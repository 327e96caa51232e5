"""Verificação: one_conversation
Pista: a nenhum deles você se conectou
"""

import socket

from echo_lib import EchoClient

with socket.socket() as prova:
    prova.bind(("127.0.0.1", 0))
    HOST, PORTA = prova.getsockname()


def resposta(host, porta, a, b):
    with EchoClient(HOST, PORTA) as cliente:
        return [cliente.send(a), cliente.send(b)]
