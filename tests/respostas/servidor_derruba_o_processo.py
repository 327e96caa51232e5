"""Verificação: server
Pista: encerrou o processo
"""

import os


def resposta(conn):
    conn.sendall(conn.recv(1024))
    os._exit(1)
