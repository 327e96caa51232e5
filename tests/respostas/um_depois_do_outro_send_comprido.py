"""Verificação: one_after_another
Pista: send pode aceitar só uma parte dos bytes
"""


def resposta(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        with conn:
            try:
                while dados := conn.recv(4096):
                    conn.send(dados)
            except ConnectionError:
                pass
