"""Verificação: lines
Pista: Há uma lista dentro da outra
"""


def resposta(conn):
    prontas = []
    for linha in conn.makefile(encoding="utf-8", newline="\n"):
        prontas.append(linha.split("\n"))
    return prontas
