"""Verificação: survives
Pista: send pode aceitar só uma parte
"""


def resposta(conn):
    total = 0
    while dados := conn.recv(1024):
        total += conn.send(dados)
    return total
