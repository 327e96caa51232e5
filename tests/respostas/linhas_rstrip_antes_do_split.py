"""Verificação: lines
Pista: rstrip('\n') tira os dois
"""


def resposta(conn):
    dados = b""
    while pedaco := conn.recv(1024):
        dados += pedaco
    return dados.decode().rstrip("\n").split("\n") if dados else []
