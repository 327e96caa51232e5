"""Verificação: server
Pista: com yield, a função nem começa
"""


def resposta(conn):
    while dados := conn.recv(1024):
        yield dados
