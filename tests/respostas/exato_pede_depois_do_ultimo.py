"""Verificação: receives_exactly
Pista: Eles já tinham vindo
"""


def resposta(conn, n):
    d = b""
    while len(d) <= n:
        p = conn.recv(n - len(d))
        if not p:
            raise ConnectionError
        d += p
    return d
