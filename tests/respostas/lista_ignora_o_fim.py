"""Verificação: sends_a_list
Pista: no fim, o recv devolve b
"""

import socket


def resposta(host, porta, mensagens):
    ecos = []
    with socket.create_connection((host, porta), timeout=1) as s:
        for m in mensagens:
            s.sendall(m.encode())
            d = b""
            while len(d) < len(m.encode()):
                d += s.recv(1024)
            ecos.append(d.decode())
    return ecos
