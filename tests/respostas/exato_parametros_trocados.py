"""Verificação: receives_exactly
Pista: A função recebe o socket primeiro
"""


def resposta(n, conn):
    dados = b""
    while len(dados) < n:
        parte = conn.recv(n - len(dados))
        if not parte:
            raise ConnectionError("acabou")
        dados += parte
    return dados
