"""Verificação: framing
Certa.
"""

import struct
from functools import cache

cabeca = struct.Struct("!I")


@cache
def medida(texto):
    return len(texto.encode())


def resposta_envia(conn, texto):
    conn.sendall(cabeca.pack(medida(texto)) + texto.encode())


def resposta_recebe(conn):
    return exato(conn, *cabeca.unpack(exato(conn, 4))).decode()
