"""Verificação: one_after_another
Pista: faltou fechar conn depois do cliente 1
"""


def resposta(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        try:
            while dados := conn.recv(1024):
                conn.sendall(dados)
        except ConnectionError:
            pass
