"""Verificação: one_after_another
Pista: Você recebeu, e nada enviou
"""


def resposta(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        with conn:
            dados = b""
            try:
                while parte := conn.recv(1024):
                    dados += parte
                conn.sendall(dados)
            except ConnectionError:
                pass
