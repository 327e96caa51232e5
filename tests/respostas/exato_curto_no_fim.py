"""Verificação: receives_exactly
Pista: como se fosse tudo
"""


def resposta(conn, n):
    dados = b""
    while len(dados) < n and (parte := conn.recv(n - len(dados))):
        dados += parte
    return dados
