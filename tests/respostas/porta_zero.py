"""Verificação: port_is_free
Pista: Você prendeu o socket em
"""

import socket


def resposta(porta):
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", 0))
        return True
    except OSError:
        return False
    finally:
        s.close()
