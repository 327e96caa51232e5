"""Verificação: client
Pista: sendall envia todos
"""

import socket


def resposta(host, porta, mensagem):
    dados = mensagem.encode()
    with socket.create_connection((host, porta)) as s:
        s.send(dados)
        eco = b""
        while len(eco) < len(dados):
            eco += s.recv(1024)
        return eco.decode()
