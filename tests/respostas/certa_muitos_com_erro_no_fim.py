"""Verificação: many_clients
Certa.
"""

import threading


def atender(conn):
    with conn:
        while True:
            dados = conn.recv(1024)
            if not dados:
                raise ConnectionError("este cliente saiu")
            conn.sendall(dados)


def resposta(escuta):
    while True:
        conn, _ = escuta.accept()
        threading.Thread(target=atender, args=(conn,), daemon=True).start()
