"""Verificação: lines
Pista: Faltou da linha vazia em diante
"""


def resposta(conn):
    arquivo = conn.makefile(encoding="utf-8")
    linhas = []
    while linha := arquivo.readline().rstrip("\n"):
        linhas.append(linha)
    return linhas
