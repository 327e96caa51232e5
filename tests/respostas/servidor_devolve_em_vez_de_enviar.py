"""Verificação: server
Pista: faltou o sendall?
"""


def resposta(conn):
    return conn.recv(1024)
