"""Verificação: lines
Pista: um recv pode cortar um caractere
"""


def resposta(conn):
    texto = ""
    while parte := conn.recv(1024):
        texto += parte.decode()
    return texto.splitlines()
