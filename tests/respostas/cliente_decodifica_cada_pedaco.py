"""Verificação: client
Pista: um recv pode cortar um caractere
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta)) as s:
        s.sendall(mensagem.encode())
        eco = ""
        while len(eco) < len(mensagem):
            eco += s.recv(1024).decode()
        return eco
