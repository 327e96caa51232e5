"""Verificação: client
Certa.
"""

import socket


def resposta(host, porta, mensagem):
    dados = b""
    with socket.create_connection((host, porta)) as s:
        s.settimeout(0.001)
        s.sendall(mensagem.encode())
        while len(dados) < len(mensagem.encode()):
            try:
                parte = s.recv(1024)
            except TimeoutError:
                continue
            if not parte:
                raise ConnectionError("fechou")
            dados += parte
    return dados.decode()
