"""Verificação: lines
Pista: split() sem nada entre
"""


def resposta(conn):
    d = b""
    while p := conn.recv(1024):
        d += p
    return d.decode().split()
