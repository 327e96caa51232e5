"""Verificação: client
Pista: quem faz deles texto é decode
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta)) as s:
        s.sendall(mensagem.encode())
        return str(s.recv(1024))
