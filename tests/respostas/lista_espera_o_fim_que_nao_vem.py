"""Verificação: sends_a_list
Pista: você pediu mais
"""

import socket


def resposta(host, porta, mensagens):
    ecos = []
    with socket.create_connection((host, porta), timeout=1) as s:
        for m in mensagens:
            s.sendall(m.encode())
            d = b""
            while parte := s.recv(1024):
                d += parte
            ecos.append(d.decode())
    return ecos
