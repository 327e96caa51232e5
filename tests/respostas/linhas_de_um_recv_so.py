"""Verificação: lines
Pista: Você parou no primeiro recv
"""


def resposta(conn):
    return conn.recv(1024).decode().splitlines()
