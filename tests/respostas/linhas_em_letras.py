"""Verificação: lines
Pista: São letras, uma a uma
"""


def resposta(conn):
    dados = b""
    while parte := conn.recv(1024):
        dados += parte
    return list(dados.decode())
