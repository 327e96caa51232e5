"""Verificação: one_conversation
Pista: print, append e sendall devolvem None
"""

from echo_lib import EchoClient


def resposta(host, porta, a, b):
    with EchoClient(host, porta) as cliente:
        return [print(cliente.send(a)), print(cliente.send(b))]
