"""Verificação: lines
Pista: Cada readline lê a linha seguinte
"""


def resposta(conn):
    prontas = []
    with conn.makefile(encoding="utf-8", newline="\n") as arquivo:
        while arquivo.readline():
            prontas.append(arquivo.readline())
    return prontas
