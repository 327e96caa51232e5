"""Verificação: server
Pista: falta um laço (while) que volte ao recv
"""


def resposta(conn):
    dados = conn.recv(1024)
    conn.sendall(dados)
