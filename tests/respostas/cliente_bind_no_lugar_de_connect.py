"""Verificação: client
Pista: Quem usa bind é o servidor
"""

import socket


def resposta(host, porta, mensagem):
    with socket.socket() as s:
        s.bind((host, porta))
        s.sendall(mensagem.encode())
        return s.recv(1024).decode()
