"""Verificação: port_is_free
Pista: Um return no finally
"""

import socket


def resposta(porta):
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", porta))
    except OSError:
        return False
    finally:
        s.close()
        return True  # noqa: B012, SIM107
