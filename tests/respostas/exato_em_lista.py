"""Verificação: receives_exactly
Pista: Devolva bytes, e não uma lista
"""


def resposta(conn, n):
    partes = []
    while sum(map(len, partes)) < n:
        partes.append(conn.recv(n - sum(map(len, partes))))
    return partes
