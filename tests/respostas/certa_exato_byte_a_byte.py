"""Verificação: receives_exactly
Certa.
"""


def resposta(conn, n):
    dados = bytearray()
    for _ in range(n):
        if not (byte := conn.recv(1)):
            raise ConnectionResetError("acabou no meio")
        dados += byte
    return bytes(dados)
