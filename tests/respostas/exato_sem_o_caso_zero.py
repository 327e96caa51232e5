"""Verificação: receives_exactly
Pista: Com n igual a 0 não se chama recv
"""


def resposta(conn, n):
    dados = b""
    while True:
        parte = conn.recv(n - len(dados))
        if not parte:
            raise ConnectionError("fim")
        dados += parte
        if len(dados) == n:
            return dados
