"""Verificação: client
Pista: ele não é o fim da mensagem
"""

import socket


def resposta(host, porta, mensagem):
    dados = b""
    with socket.create_connection((host, porta), timeout=1) as s:
        s.sendall(mensagem.encode())
        try:
            while True:
                dados += s.recv(1024)
        except TimeoutError:
            pass
    return dados.decode()
