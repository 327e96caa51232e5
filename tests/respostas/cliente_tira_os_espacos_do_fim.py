"""Verificação: client
Pista: um strip, ou uma fatia?
"""

import socket


def resposta(host, porta, mensagem):
    esperado, dados = mensagem.encode(), b""
    with socket.create_connection((host, porta), timeout=5) as s:
        s.sendall(esperado)
        while len(dados) < len(esperado):
            dados += s.recv(1024)
    return dados.decode()[:1000].strip()
