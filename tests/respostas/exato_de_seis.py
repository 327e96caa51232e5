"""Verificação: receives_exactly
Pista: o número é o n que a função recebe
"""


def resposta(conn, n):
    dados = b""
    while len(dados) < 6:
        parte = conn.recv(6 - len(dados))
        if not parte:
            raise ConnectionError("fim")
        dados += parte
    return dados
