"""Verificação: whole_server
Pista: Se um except engole os erros, tire-o para ver qual é.
"""

import socket


def resposta(host, porta):
    with socket.create_server((host, porta)) as s:
        conn, _ = s.accept()
        with conn:
            try:
                while dados := conn.recv(1024):
                    conn.sendal(dados)
            except Exception as erro:
                print(erro)
