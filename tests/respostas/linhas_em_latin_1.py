"""Verificação: lines
Pista: os bytes são UTF-8
"""


def resposta(conn):
    dados = b""
    while pedaco := conn.recv(1024):
        dados += pedaco
    linhas = dados.decode("latin-1").split("\n")
    if linhas[-1] == "":
        linhas.pop()
    return linhas
