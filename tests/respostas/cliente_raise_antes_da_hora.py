"""Verificação: client
Pista: O servidor não fechou
"""

import socket


def resposta(host, porta, mensagem):
    esperado, dados = mensagem.encode(), b""
    with socket.create_connection((host, porta), timeout=5) as s:
        s.sendall(esperado)
        dados = s.recv(1024)
        if len(dados) < len(esperado):
            raise ConnectionError("o servidor fechou antes de devolver tudo")
    return dados.decode()
