"""Verificação: one_conversation
Pista: você não recebeu os ecos
"""

import socket


def resposta(host, porta, a, b):
    with socket.create_connection((host, porta)) as s:
        s.sendall(a.encode())
        s.sendall(b.encode())
    return [a, b]
