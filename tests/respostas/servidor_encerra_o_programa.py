"""Verificação: server
Pista: parou com SystemExit
"""

import sys


def resposta(conn):
    while dados := conn.recv(1024):
        conn.sendall(dados)
    sys.exit(0)
