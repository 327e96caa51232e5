"""Verificação: server
Pista: acabou antes do cliente
"""


def resposta(conn):
    for _ in range(3):
        conn.sendall(conn.recv(1024))
