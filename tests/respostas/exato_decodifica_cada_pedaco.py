"""Verificação: receives_exactly
Pista: Você contou letras, que são quatro
"""


def resposta(conn, n):
    dados = ""
    while len(dados) < n:
        parte = conn.recv(n - len(dados))
        if not parte:
            raise ConnectionError("fim")
        dados += parte.decode()
    return dados
