"""Verificação: one_conversation
Pista: Um servidor respondeu 'OLÁ' a 'olá'
"""

import socket


def resposta(host, porta, a, b):
    with socket.create_connection((host, porta)) as s:
        for mensagem in (a, b):
            s.sendall(mensagem.encode())
            s.recv(1024)
    return [a, b]
