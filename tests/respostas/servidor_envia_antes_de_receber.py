"""Verificação: server
Pista: você chamou recv e depois sendall?
"""


def resposta(conn):
    dados = b""
    conn.sendall(dados)
