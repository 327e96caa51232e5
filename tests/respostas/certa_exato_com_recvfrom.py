"""Verificação: receives_exactly
Certa.
"""


def resposta(conn, n):
    dados = b""
    while len(dados) < n:
        parte, _ = conn.recvfrom(n - len(dados))
        if not parte:
            raise ConnectionError("acabou")
        dados += parte
    display(dados)
    return dados
