"""Verificação: client
Pista: EBADF
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta)) as s:
        s.sendall(mensagem.encode())
    return s.recv(1024).decode()
