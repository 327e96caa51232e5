"""Verificação: client
Pista: sem receber o eco inteiro
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta)) as s:
        s.sendall(mensagem.encode())
        s.recv(1024)
        return mensagem
