"""Verificação: server
Pista: Um laço dá voltas sem nada esperar nem enviar
"""


def resposta(conn):
    dados = conn.recv(1024)
    while len(dados) < 1024:
        dados = dados + b""
    conn.sendall(dados)
