"""Verificação: lines
Pista: o return está dentro do laço
"""


def resposta(conn):
    prontas = []
    for linha in conn.makefile(encoding="utf-8", newline="\n"):
        prontas.append(linha.rstrip("\n"))
        return prontas
