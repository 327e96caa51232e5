"""Verificação: receives_exactly
Certa.
"""

import socket


def resposta(conn, n):
    dados = b""
    while len(dados) < n:
        parte = conn.recv(n - len(dados), socket.MSG_WAITALL)
        if parte == b"":
            raise EOFError("acabou antes")
        dados += parte
    return dados
