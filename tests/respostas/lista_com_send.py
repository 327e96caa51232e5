"""Verificação: sends_a_list
Pista: sendall envia todos
"""

import socket


def resposta(host, porta, mensagens):
    ecos = []
    with socket.create_connection((host, porta), timeout=1) as s:
        for m in mensagens:
            s.send(m.encode())
            d = b""
            while len(d) < len(m.encode()):
                p = s.recv(1024)
                if not p:
                    break
                d += p
            ecos.append(d.decode())
    return ecos
