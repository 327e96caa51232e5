"""Verificação: server
Certa.
"""


def resposta(conn):
    while True:
        dados = conn.recv(1024)
        if not dados:
            return
        conn.sendall(dados)
