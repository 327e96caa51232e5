"""Verificação: server
Pista: a resposta é feita dos que chegaram
"""


def resposta(conn):
    while conn.recv(1024):
        conn.sendall(b"recebido")
