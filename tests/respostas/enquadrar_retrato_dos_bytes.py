"""Verificação: framing
Pista: quem faz deles texto é decode
"""

import struct


def exato(conn, n):
    d = b""
    while len(d) < n:
        p = conn.recv(n - len(d))
        if not p:
            raise ConnectionError
        d += p
    return d


def resposta_e(conn, texto):
    d = texto.encode()
    conn.sendall(struct.pack("!I", len(d)) + d)


def resposta_r(conn):
    (n,) = struct.unpack("!I", exato(conn, 4))
    return str(exato(conn, n))
