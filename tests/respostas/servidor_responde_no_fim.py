"""Verificação: server
Pista: A resposta só veio quando o cliente parou de enviar
"""


def resposta(conn):
    dados = b""
    while parte := conn.recv(1024):
        dados += parte
    conn.sendall(dados)
