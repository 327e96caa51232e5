"""Verificação: server
Pista: voltou a esperar sem responder
"""


def resposta(conn):
    dados = b""
    while len(dados) < 1024:
        dados += conn.recv(1024)
    conn.sendall(dados)
