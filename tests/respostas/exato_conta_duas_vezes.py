"""Verificação: receives_exactly
Pista: O laço parou antes
"""


def resposta(conn, n):
    dados = b""
    while len(dados) < n:
        parte = conn.recv(n - len(dados))
        if not parte:
            raise ConnectionError("acabou")
        dados += parte
        n -= len(parte)
    return dados
