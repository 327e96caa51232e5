"""Verificação: one_after_another
Pista: você voltou a usar a mesma conexão
"""


def resposta(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        with conn:
            while True:
                try:
                    dados = conn.recv(1024)
                    if not dados:
                        break
                    conn.sendall(dados)
                except ConnectionError:
                    pass
