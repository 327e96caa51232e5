"""Verificação: one_after_another
Pista: quem cai também se fecha
"""


def resposta(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        try:
            while dados := conn.recv(1024):
                conn.sendall(dados)
            conn.close()
        except ConnectionError:
            pass
