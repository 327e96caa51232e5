"""Verificação: one_conversation
Pista: print só mostra
"""

from echo_lib import EchoClient


def resposta(host, porta, a, b):
    with EchoClient(host, porta) as cliente:
        print([cliente.send(a), cliente.send(b)])
