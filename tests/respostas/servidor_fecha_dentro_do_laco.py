"""Verificação: server
Pista: EBADF
"""


def resposta(conn):
    while dados := conn.recv(1024):
        conn.sendall(dados)
        conn.close()
