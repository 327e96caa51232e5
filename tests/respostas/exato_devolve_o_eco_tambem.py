"""Verificação: receives_exactly
Pista: quem recebe só recebe
"""


def resposta(conn, n):
    dados = b""
    while len(dados) < n:
        parte = conn.recv(n - len(dados))
        if not parte:
            raise ConnectionError("acabou")
        dados += parte
    conn.sendall(dados)
    return dados
