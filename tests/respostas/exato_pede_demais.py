"""Verificação: receives_exactly
Pista: Não peça ao recv mais do que falta
"""


def resposta(conn, n):
    dados = b""
    while len(dados) < n:
        dados += conn.recv(1024)
    return dados
