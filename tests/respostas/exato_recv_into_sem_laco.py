"""Verificação: receives_exactly
Pista: A conexão não acabou: só b''
"""


def resposta(conn, n):
    espaco = bytearray(n)
    veio = conn.recv_into(espaco)
    if veio < n:
        raise ConnectionError(f"só vieram {veio}")
    return bytes(espaco)
