"""Verificação: lines
Pista: Você chamou recv uma vez só
"""


def resposta(conn):
    return conn.recv(1024).decode().splitlines()
