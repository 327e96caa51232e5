"""Verificação: receives_exactly
Pista: um laço não acaba?
"""


def resposta(conn, n):
    dados = b""
    while len(dados) < n:
        dados += conn.recv(n - len(dados))
    return dados
