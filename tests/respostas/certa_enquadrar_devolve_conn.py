"""Verificação: framing
Certa.
"""

import struct


def resposta_envia(conn, texto):
    dados = texto.encode()
    conn.sendall(struct.pack("!I", len(dados)) + dados)
    return conn


def resposta_recebe(conn):
    (n,) = struct.unpack("!I", exato(conn, 4))
    return exato(conn, n).decode()
