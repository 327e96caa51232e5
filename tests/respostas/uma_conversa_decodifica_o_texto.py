"""Verificação: one_conversation
Pista: já devolve texto: tire o decode
"""

from echo_lib import EchoClient


def resposta(host, porta, a, b):
    with EchoClient(host, porta) as cliente:
        return [cliente.send(a).decode(), cliente.send(b).decode()]
