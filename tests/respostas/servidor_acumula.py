"""Verificação: server
Pista: O que já tinha voltado voltou de novo
"""


def resposta(conn):
    dados = b""
    while parte := conn.recv(1024):
        dados += parte
        conn.sendall(dados)
