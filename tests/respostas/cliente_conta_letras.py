"""Verificação: client
Pista: Você parou no número de letras
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta)) as s:
        s.sendall(mensagem.encode())
        dados = b""
        while len(dados) < len(mensagem):
            dados += s.recv(1)
        return dados.decode(errors="ignore")
