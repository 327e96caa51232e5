"""Verificação: server
Pista: o cliente saiu: só volte
"""


def resposta(conn):
    while True:
        dados = conn.recv(1024)
        if not dados:
            raise ConnectionError("acabou")
        conn.sendall(dados)
