"""Verificação: lines
Pista: Nem sempre são quatro
"""


def resposta(conn):
    with conn.makefile(encoding="utf-8", newline="\n") as arquivo:
        return [arquivo.readline().rstrip("\n") for _ in range(4)]
