"""Verificação: gives_up
Pista: Você recebeu, e nada voltou: faltou o sendall?
"""


def resposta(conn):
    conn.settimeout(0.5)
    try:
        while conn.recv(1024):
            pass
    except TimeoutError:
        pass


resposta_segundos = 0.5
