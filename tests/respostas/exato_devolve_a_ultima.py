"""Verificação: receives_exactly
Pista: ficaram de fora: junte-os
"""


def resposta(conn, n):
    while n > 0:
        parte = conn.recv(n)
        if not parte:
            raise ConnectionError("fim")
        n = n - len(parte)
    return parte
