"""Verificação: server
Pista: dentro do laço, chame `recv` de novo
"""


def resposta(conn):
    dados = conn.recv(1024)
    while dados:
        conn.sendall(dados)
