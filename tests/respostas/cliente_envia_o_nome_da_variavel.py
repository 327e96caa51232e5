"""Verificação: client
Pista: sem mudar nada
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta), timeout=1) as s:
        s.sendall(b"mensagem")
        d = b""
        while len(d) < len(mensagem.encode()):
            p = s.recv(1024)
            if not p:
                break
            d += p
        return d.decode()
