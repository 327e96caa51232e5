"""Verificação: server
Pista: aqui não há accept
"""


def resposta(conn):
    conn, _ = conn.accept()
    while dados := conn.recv(1024):
        conn.sendall(dados)
