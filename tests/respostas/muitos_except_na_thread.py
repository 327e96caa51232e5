"""Verificação: many_clients
Pista: Se um except engole os erros, tire-o para ver qual é.
"""

import threading


def atender(conn):
    try:
        while conn.recv(1024):
            conn.sendall(dado)
    except Exception:
        conn.close()


def resposta(escuta):
    while True:
        conn, _ = escuta.accept()
        threading.Thread(target=atender, args=(conn,), daemon=True).start()
