"""Verificação: client
Pista: Faltou o sendall?
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta)) as s:
        mensagem.encode()
        s.shutdown(socket.SHUT_WR)
        return s.recv(1024).decode()
