"""Verificação: server
Pista: Um eco não precisa de texto: tire o decode
"""


def resposta(conn):
    while dados := conn.recv(1024):
        texto = dados.decode()
        conn.sendall(texto.encode())
