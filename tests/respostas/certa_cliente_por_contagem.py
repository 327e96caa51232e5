"""Verificação: client
Certa.
"""

import socket


def resposta(host, porta, mensagem):
    dados = mensagem.encode()
    with socket.create_connection((host, porta)) as s:
        s.sendall(dados)
        eco = bytearray()
        while len(eco) < len(dados):
            if not (parte := s.recv(len(dados) - len(eco))):
                raise EOFError
            eco += parte
        return eco.decode("utf-8")
