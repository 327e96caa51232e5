"""Verificação: lines
Pista: Uma linha vazia também é uma linha.
"""


def resposta(conn):
    dados = b""
    while parte := conn.recv(1024):
        dados += parte
    return [linha for linha in dados.decode().split("\n") if linha]
