"""Verificação: sends_a_list
Pista: entrou duas vezes
"""

import socket


def resposta(host, porta, mensagens):
    ecos = []
    with socket.create_connection((host, porta), timeout=1) as s:
        for m in mensagens:
            if not m:
                ecos.append("")
            s.sendall(m.encode())
            d = b""
            while len(d) < len(m.encode()):
                parte = s.recv(1024)
                if not parte:
                    raise ConnectionError("fechou")
                d += parte
            ecos.append(d.decode())
    return ecos
