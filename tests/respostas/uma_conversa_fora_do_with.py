"""Verificação: one_conversation
Pista: os dois send vão dentro
"""

from echo_lib import EchoClient


def resposta(host, porta, a, b):
    with EchoClient(host, porta) as cliente:
        primeiro = cliente.send(a)
    return [primeiro, cliente.send(b)]
