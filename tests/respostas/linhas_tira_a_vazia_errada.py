"""Verificação: lines
Pista: remove tira a primeira que acha
"""


def resposta(conn):
    dados = b""
    while parte := conn.recv(1024):
        dados += parte
    prontas = dados.decode().split("\n")
    prontas.remove("")
    return prontas
