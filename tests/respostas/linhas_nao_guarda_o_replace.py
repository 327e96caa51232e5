"""Verificação: lines
Pista: Tire de cada uma o fim de linha
"""


def resposta(conn):
    prontas = []
    for linha in conn.makefile(encoding="utf-8", newline="\n"):
        linha.replace("\n", "")
        prontas.append(linha)
    return prontas
