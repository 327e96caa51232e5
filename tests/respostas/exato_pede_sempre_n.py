"""Verificação: receives_exactly
Pista: Não peça ao recv mais do que falta
"""


def resposta(conn, n):
    dados = b""
    while len(dados) < n:
        parte = conn.recv(n)
        if not parte:
            raise ConnectionError("acabou antes")
        dados += parte
    return dados
