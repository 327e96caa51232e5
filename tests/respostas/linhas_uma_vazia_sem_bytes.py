"""Verificação: lines
Pista: Sem nenhum byte
"""


def resposta(conn):
    d = b""
    while p := conn.recv(1024):
        d += p
    return d.decode().removesuffix("\n").split("\n")
