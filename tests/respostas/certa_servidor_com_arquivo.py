"""Verificação: server
Certa.
"""


def resposta(conn):
    with conn, conn.makefile("rwb", buffering=0) as fluxo:
        while dados := fluxo.read(100):
            falta = dados
            while falta:
                falta = falta[fluxo.write(falta) :]
