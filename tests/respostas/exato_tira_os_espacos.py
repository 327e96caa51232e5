"""Verificação: receives_exactly
Pista: Espaços e fins de linha também são bytes da mensagem
"""


def resposta(conn, n):
    dados = b""
    while len(dados) < n:
        parte = conn.recv(n - len(dados))
        if not parte:
            raise ConnectionError("acabou")
        dados += parte.strip()
    return dados
