"""Verificação: port_is_free
Pista: A pergunta é sobre 127.0.0.1
"""

import socket


def resposta(porta):
    try:
        with socket.create_server(("0.0.0.0", porta)):
            return True
    except OSError:
        return False
