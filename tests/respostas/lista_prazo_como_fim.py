"""Verificação: sends_a_list
Pista: ele não é o fim da mensagem
"""

import socket


def resposta(host, porta, mensagens):
    ecos = []
    with socket.create_connection((host, porta), timeout=0.3) as s:
        for m in mensagens:
            s.sendall(m.encode())
            d = b""
            try:
                while m:
                    d += s.recv(1024)
            except TimeoutError:
                pass
            ecos.append(d.decode())
    return ecos
