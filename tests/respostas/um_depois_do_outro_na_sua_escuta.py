"""Verificação: one_after_another
Pista: Você abriu outra escuta
"""

import socket


def resposta(s, n):
    with socket.create_server(("127.0.0.1", 0)) as escuta:
        for _ in range(n):
            conn, _ = escuta.accept()
            with conn:
                while dados := conn.recv(1024):
                    conn.sendall(dados)
