"""Verificação: server
Pista: o seu laço continua: recv devolve b'' para sempre
"""


def resposta(conn):
    while True:
        dados = conn.recv(1024)
        conn.sendall(dados)
