"""Verificação: client
Pista: no fim, o recv devolve b
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta), timeout=1) as s:
        s.sendall(mensagem.encode())
        d = b""
        while len(d) < len(mensagem.encode()):
            d += s.recv(1024)
        return d.decode()
