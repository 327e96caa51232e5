"""Verificação: lines
Pista: a lista é criada dentro do laço
"""


def resposta(conn):
    for linha in conn.makefile(encoding="utf-8", newline="\n"):
        prontas = []
        prontas.append(linha.rstrip("\n"))
    return prontas
