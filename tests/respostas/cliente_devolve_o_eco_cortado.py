"""Verificação: client
Pista: a sua função devolveu 'o', como se fosse o eco: aí, lance um erro
"""

import socket


def resposta(host, porta, mensagem):
    dados = b""
    with socket.create_connection((host, porta)) as s:
        s.sendall(mensagem.encode())
        while len(dados) < len(mensagem.encode()):
            parte = s.recv(1024)
            if not parte:
                break
            dados += parte
    return dados.decode()
