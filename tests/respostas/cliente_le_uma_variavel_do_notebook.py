"""Verificação: client
Pista: Sua função lê dados, que é do notebook
"""

import socket

dados = b"eco de outra conversa"


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta), timeout=1) as s:
        s.sendall(mensagem.encode())
        parte = s.recv(1024)
        while len(parte) < len(mensagem.encode()):
            parte += s.recv(1024)
    return dados.decode()
