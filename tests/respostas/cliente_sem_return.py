"""Verificação: client
Pista: Faltou o return?
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta)) as s:
        s.sendall(mensagem.encode())
        print(s.recv(1024).decode())
