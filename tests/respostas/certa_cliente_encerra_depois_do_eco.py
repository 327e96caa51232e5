"""Verificação: client"""

import socket


def resposta(host, porta, mensagem):
    dados, eco = mensagem.encode(), b""
    with socket.create_connection((host, porta), timeout=1) as s:
        s.sendall(dados)
        while parte := s.recv(1024):
            eco += parte
            if len(eco) == len(dados):
                s.shutdown(socket.SHUT_RDWR)
    if len(eco) < len(dados):
        raise ConnectionError("fechou antes do fim")
    return eco.decode()
