"""Verificação: client
Pista: devolveu None, como se fosse o eco
"""

import socket


def resposta(host, porta, mensagem):
    dados = b""
    with socket.create_connection((host, porta), timeout=1) as s:
        s.sendall(mensagem.encode())
        while len(dados) < len(mensagem.encode()):
            parte = s.recv(1024)
            if not parte:
                return None
            dados += parte
    return dados.decode()
