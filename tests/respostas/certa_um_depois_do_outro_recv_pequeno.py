"""Verificação: one_after_another
Certa.
"""


def resposta(escuta, n):
    for _ in range(n):
        conn, _ = escuta.accept()
        with conn:
            try:
                while dados := conn.recv(2):
                    conn.sendall(dados)
            except ConnectionError:
                pass  # este caiu; o próximo não tem culpa
