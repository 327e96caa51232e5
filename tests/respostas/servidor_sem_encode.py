"""Verificação: server
Pista: faltou o encode
"""


def resposta(conn):
    while dados := conn.recv(1024):
        conn.sendall(dados.decode())
