"""Verificação: receives_exactly
Pista: bytes(lista) faz bytes de uma lista de números
"""


def resposta(conn, n):
    itens = []
    while len(itens) < n:
        itens += conn.recv(n - len(itens))
    return itens
