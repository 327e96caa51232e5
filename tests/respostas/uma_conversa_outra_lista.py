"""Verificação: one_conversation
Pista: o que o send de cada mensagem devolveu
"""

from echo_lib import EchoClient


def resposta(host, porta, a, b):
    with EchoClient(host, porta) as cliente:
        cliente.send(a)
        cliente.send(b)
        return [host, porta]
