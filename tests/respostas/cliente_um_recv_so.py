"""Verificação: client
Pista: Veio só o começo: um recv pode não trazer tudo.
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta)) as s:
        s.sendall(mensagem.encode())
        return s.recv(1024).decode()
