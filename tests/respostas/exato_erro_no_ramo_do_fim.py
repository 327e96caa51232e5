"""Verificação: receives_exactly
Pista: NameError
"""


def resposta(conn, n):
    partes = b""
    while len(partes) < n:
        parte = conn.recv(n - len(partes))
        if not parte:
            raise ConnectionError(f"faltavam {n - len(dados)}")
        partes += parte
    return partes
