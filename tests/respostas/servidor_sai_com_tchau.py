"""Verificação: server
Pista: “Tchau” é
"""


def resposta(conn):
    while dados := conn.recv(1024):
        if dados == b"Tchau":
            break
        conn.sendall(dados)
