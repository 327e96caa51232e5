"""Verificação: server
Pista: devolveu menos do que recebeu
"""


def resposta(conn):
    while dados := conn.recv(1024):
        conn.sendall(dados.strip())
