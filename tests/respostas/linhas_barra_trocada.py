"""Verificação: lines
Pista: Nada foi cortado
"""


def resposta(conn):
    d = b""
    while p := conn.recv(1024):
        d += p
    return d.decode().split("/n")
