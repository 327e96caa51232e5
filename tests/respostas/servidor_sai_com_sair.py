"""Verificação: server
Pista: “sair” é um comando do cliente
"""


def resposta(conn):
    while dados := conn.recv(1024):
        if dados == b"sair":
            break
        conn.sendall(dados)
