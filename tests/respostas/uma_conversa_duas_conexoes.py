"""Verificação: one_conversation
Pista: esperava uma conexão e vi 2
"""

from echo_lib import EchoClient


def resposta(host, porta, a, b):
    ecos = []
    for mensagem in (a, b):
        with EchoClient(host, porta) as cliente:
            ecos.append(cliente.send(mensagem))
    return ecos
