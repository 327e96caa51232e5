"""Verificação: port_is_free
Pista: É esse erro que responde
"""

import socket


def resposta(porta):
    with socket.create_server(("127.0.0.1", porta)):
        return True
