"""Verificação: lines
Pista: se depois dele nada vem, não há outra
"""


def resposta(conn):
    return conn.recv(1024).decode().split("\n")
