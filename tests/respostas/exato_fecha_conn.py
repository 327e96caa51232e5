"""Verificação: receives_exactly
Pista: Tire o with, ou o close
"""


def resposta(conn, n):
    with conn:
        d = b""
        while len(d) < n:
            p = conn.recv(n - len(d))
            if not p:
                raise ConnectionError
            d += p
        return d
