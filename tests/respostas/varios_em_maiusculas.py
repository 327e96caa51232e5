"""Verificação: one_after_another
Pista: e recebeu b'OI'
"""


def resposta(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        with conn:
            while dados := conn.recv(1024):
                conn.sendall(dados.upper())
