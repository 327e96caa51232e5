"""Verificação: lines
Pista: é aí que o laço para
"""


def resposta(conn):
    dados = b""
    while True:
        dados += conn.recv(1024)
    return dados.decode().split("\n")
