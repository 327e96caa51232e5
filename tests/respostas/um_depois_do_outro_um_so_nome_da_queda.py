"""Verificação: one_after_another
Pista: capture a família, ConnectionError
"""


def resposta(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        with conn:
            try:
                while dados := conn.recv(1024):
                    conn.sendall(dados)
            except ConnectionResetError:
                pass
