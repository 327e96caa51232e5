"""Verificação: client
Pista: parênteses duplos
"""

import socket


def resposta(host, porta, mensagem):
    with socket.socket() as s:
        s.connect(host, porta)
        s.sendall(mensagem.encode())
        return s.recv(1024).decode()
