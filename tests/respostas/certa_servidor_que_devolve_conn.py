"""Verificação: server"""


def resposta(conn):
    while dados := conn.recv(1024):
        conn.sendall(dados)
    return conn
