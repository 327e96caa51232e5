"""Verificação: receives_exactly
Pista: Um recv devolve de 1 a n bytes
"""


def resposta(conn, n):
    return conn.recv(n)
