"""Verificação: lines
Pista: depois do último, não começa outra
"""


def resposta(conn):
    return conn.recv(1024).decode().split("\n")
