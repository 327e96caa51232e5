"""Verificação: receives_exactly
Certa.
"""

import socket


def resposta(conn, n):
    dados = conn.recv(n, socket.MSG_WAITALL)
    if len(dados) < n:
        raise ConnectionError("acabou no meio")
    return dados
