"""Verificação: receives_exactly
Pista: Quem lança um erro é raise
"""


def resposta(conn, n):
    dados = b""
    while len(dados) < n:
        parte = conn.recv(n - len(dados))
        if not parte:
            return ConnectionError("fim")
        dados += parte
    return dados
