"""Verificação: lines
Pista: Um recv não é uma linha
"""


def resposta(conn):
    linhas = []
    while pedaco := conn.recv(1024):
        linhas.append(pedaco.decode().strip("\n"))
    return linhas
