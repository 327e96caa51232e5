"""Verificação: client
Pista: este servidor está em
"""

import socket


def resposta(host, porta, mensagem):
    with socket.socket() as s:
        s.settimeout(1)
        s.connect(("127.0.0.1", 61840))
        s.sendall(mensagem.encode())
        return s.recv(1024).decode()
