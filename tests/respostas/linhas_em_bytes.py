"""Verificação: lines
Pista: faltou o decode
"""


def resposta(conn):
    dados = b""
    while parte := conn.recv(1024):
        dados += parte
    return dados.removesuffix(b"\n").split(b"\n")
