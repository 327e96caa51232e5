"""Verificação: receives_exactly
Certa.
"""


def resposta(conn, n):
    espaco = memoryview(bytearray(n))
    cheio = 0
    while cheio < n:
        veio = conn.recv_into(espaco[cheio:])
        if not veio:
            raise EOFError("acabou no meio")
        cheio += veio
    return bytes(espaco)
