"""Verificação: lines
Pista: um byte que não se soube ler
"""


def resposta(conn):
    dados = b""
    while pedaco := conn.recv(1024):
        dados += pedaco
    linhas = dados.decode("ascii", "replace").split("\n")
    if linhas[-1] == "":
        linhas.pop()
    return linhas
