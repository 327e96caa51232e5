"""Verificação: client
Pista: Você enviou de novo
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta)) as s:
        while True:
            s.sendall(mensagem.encode())
            s.recv(1024)
