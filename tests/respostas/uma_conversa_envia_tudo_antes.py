"""Verificação: one_conversation
Pista: os dois ecos podem vir juntos num recv só
"""

import socket


def resposta(host, porta, a, b):
    with socket.create_connection((host, porta)) as s:
        s.sendall(a.encode())
        s.sendall(b.encode())
        return [s.recv(1024).decode(), s.recv(1024).decode()]
