"""Verificação: one_after_another
Certa.
"""

from contextlib import suppress


def resposta(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        with conn:
            while True:
                try:
                    dados = conn.recv(1024)
                except ConnectionError:
                    dados = b""
                if not dados:
                    break
                with suppress(ConnectionError):
                    conn.sendall(dados)
