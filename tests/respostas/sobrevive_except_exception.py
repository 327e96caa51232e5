"""Verificação: survives
Pista: Se um except engole os erros, tire-o para ver qual é.
"""


def resposta(conn):
    total = 0
    conn.settimeout(1)
    try:
        while dados := conn.recv(1024):
            conn.sendall(dados)
            total += dados
    except Exception:
        pass
    return total
