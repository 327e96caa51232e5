"""Verificação: lines
Pista: O que sobra depois do último fim de linha
"""


def resposta(conn):
    dados, achadas = b"", []
    while parte := conn.recv(1024):
        dados += parte
        *inteiras, dados = dados.split(b"\n")
        achadas += [linha.decode() for linha in inteiras]
    return achadas
