"""Verificação: client
Pista: Você espera a resposta antes de enviar?
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta)) as s:
        dados = s.recv(1024)
        s.sendall(mensagem.encode())
        return dados.decode()
