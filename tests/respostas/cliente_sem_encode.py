"""Verificação: client
Pista: faltou o encode
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta)) as s:
        s.sendall(mensagem)
        return s.recv(1024).decode()
