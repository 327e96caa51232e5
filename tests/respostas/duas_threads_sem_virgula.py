"""Verificação: two_clients
Pista: é a vírgula que faz a tupla
"""

import threading


def atender(conn):
    with conn:
        while dados := conn.recv(1024):
            conn.sendall(dados)


def resposta(escuta):
    while True:
        conn, _ = escuta.accept()
        threading.Thread(target=atender, args=(conn), daemon=True).start()
