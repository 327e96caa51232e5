"""Verificação: lines
Certa.
"""


def resposta(conn):
    dados = b""
    while parte := conn.recv(1024):
        dados += parte
    return dados.decode().removesuffix("\n").split("\n") if dados else []
