"""Verificação: lines
Pista: Devolva uma lista (list)
"""


def resposta(conn):
    d = b""
    while p := conn.recv(1024):
        d += p
    return d.decode()
