"""Verificação: receives_exactly
Pista: dados começa vazio a cada chamada
"""

tudo = bytearray()


def resposta(conn, n):
    while len(tudo) < n:
        parte = conn.recv(n - len(tudo))
        if not parte:
            raise ConnectionError("acabou")
        tudo.extend(parte)
    return bytes(tudo)
