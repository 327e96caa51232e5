"""Verificação: client
Pista: Isso é a própria função
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta), timeout=1) as s:
        s.sendall(mensagem.encode())
        d = s.recv(5000)
        return d.decode
