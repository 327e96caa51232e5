"""Verificação: server
Pista: sendall envia todos
"""


def resposta(conn):
    while dados := conn.recv(4096):
        conn.send(dados)
