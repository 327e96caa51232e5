"""Verificação: one_conversation
Pista: A segunda mensagem foi enviada antes da primeira
"""

import socket


def resposta(host, porta, a, b):
    with socket.create_connection((host, porta)) as s:
        s.sendall(b.encode())
        y = s.recv(1024).decode()
        s.sendall(a.encode())
        x = s.recv(1024).decode()
    return [x, y]
