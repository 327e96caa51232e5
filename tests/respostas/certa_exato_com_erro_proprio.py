"""Verificação: receives_exactly
Certa.
"""


class Fim(ConnectionError):
    pass


def resposta(conn, n):
    dados = b""
    while len(dados) < n:
        parte = conn.recv(n - len(dados))
        if not parte:
            raise Fim("acabou no meio")
        dados += parte
    return dados
