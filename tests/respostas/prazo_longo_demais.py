"""Verificação: has_deadline
Pista: esperou mais de 2 s
"""

import socket


def resposta(host, porta):
    with socket.create_connection((host, porta), timeout=2.5) as s:
        s.sendall(b"oi")
        return s.recv(1024)
