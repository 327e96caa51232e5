"""Verificação: lines
Pista: Só o \n encerra
"""


def resposta(conn):
    with conn.makefile("r", encoding="utf-8") as f:
        return [linha.rstrip("\n") for linha in f]
