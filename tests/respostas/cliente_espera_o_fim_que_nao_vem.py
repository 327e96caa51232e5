"""Verificação: client
Pista: o servidor não fecha antes de você
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta)) as s:
        s.sendall(mensagem.encode())
        dados = b""
        while parte := s.recv(1024):
            dados += parte
        return dados.decode()
