"""Verificação: lines
Certa.
"""


def resposta(conn):
    with conn.makefile(encoding="utf-8", newline="\n") as arquivo:
        return [linha.removesuffix("\n") for linha in arquivo]
