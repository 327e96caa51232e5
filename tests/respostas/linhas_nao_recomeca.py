"""Verificação: lines
Pista: A segunda traz a primeira junto
"""


def resposta(conn):
    prontas, linha = [], b""
    while letra := conn.recv(1):
        if letra == b"\n":
            prontas.append(linha.decode())
        else:
            linha += letra
    return prontas
