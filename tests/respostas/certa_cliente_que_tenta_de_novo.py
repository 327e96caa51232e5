"""Verificação: client
Certa.
"""

import socket


def resposta(host, porta, mensagem):
    dados = mensagem.encode()
    for _ in range(3):
        with socket.create_connection((host, porta)) as s:
            s.sendall(dados)
            eco = b""
            while len(eco) < len(dados) and (parte := s.recv(1024)):
                eco += parte
        if eco == dados:
            return eco.decode()
    raise ConnectionError("três servidores fecharam no meio")
