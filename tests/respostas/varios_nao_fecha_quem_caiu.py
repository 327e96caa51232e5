"""Verificação: one_after_another
Pista: também a de quem caiu
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
