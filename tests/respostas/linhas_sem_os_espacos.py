"""Verificação: lines
Pista: são de quem as enviou
"""


def resposta(conn):
    dados = b""
    while parte := conn.recv(1024):
        dados += parte
    return dados.decode().strip().split("\n")
