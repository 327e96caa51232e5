"""Verificação: client
Pista: Esse shutdown encerra o receber
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta), timeout=1) as s:
        s.sendall(mensagem.encode())
        s.shutdown(socket.SHUT_RDWR)
        dados = b""
        while parte := s.recv(1024):
            dados += parte
        return dados.decode()
