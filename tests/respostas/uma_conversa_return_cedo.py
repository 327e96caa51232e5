"""Verificação: one_conversation
Pista: Falta um eco: o return está dentro do laço?
"""

from echo_lib import EchoClient


def resposta(host, porta, a, b):
    ecos = []
    with EchoClient(host, porta) as cliente:
        for mensagem in (a, b):
            ecos.append(cliente.send(mensagem))
            return ecos
