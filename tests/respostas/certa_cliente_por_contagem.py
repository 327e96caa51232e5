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
            eco += s.recv(len(dados) - len(eco))
        return eco.decode("utf-8")
