"""Verificação: server
Pista: um recv pode cortar um caractere
"""


def resposta(conn):
    while dados := conn.recv(1024):
        texto = dados.decode()
        conn.sendall(texto.encode())
