"""Verificação: client
Certa.
"""

import socket


def resposta(host, porta, mensagem):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.connect((host, porta))
    s.sendall(mensagem.encode())
    s.shutdown(socket.SHUT_WR)
    partes = list(iter(lambda: s.recv(7), b""))
    s.close()
    eco = b"".join(partes).decode()
    if eco != mensagem:
        raise ConnectionError(eco)
    return eco
