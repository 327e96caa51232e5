"""Verificação: server
Pista: calar-se não é sair
"""


def resposta(conn):
    conn.settimeout(0.2)
    try:
        while dados := conn.recv(1024):
            conn.sendall(dados)
    except TimeoutError:
        pass
