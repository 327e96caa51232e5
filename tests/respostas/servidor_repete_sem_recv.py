"""Verificação: server
Pista: a cada sendall, um recv novo
"""


def resposta(conn):
    dados = conn.recv(1024)
    while dados:
        conn.sendall(dados)
