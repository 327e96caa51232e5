"""Verificação: one_conversation
Pista: Entre aspas, 'a' é um texto qualquer
"""

from echo_lib import EchoClient


def resposta(host, porta, a, b):
    with EchoClient(host, porta) as cliente:
        return [cliente.send("a"), cliente.send("b")]
