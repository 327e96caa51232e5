"""Verificação: receives_exactly
Certa.
"""

import os


def resposta(conn, n):
    dados = b""
    while len(dados) < n:
        parte = os.read(conn.fileno(), n - len(dados))
        if not parte:
            raise ConnectionError("acabou")
        dados += parte
    return dados
