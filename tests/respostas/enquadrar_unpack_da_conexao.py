"""Verificação: framing
Pista: unpack lê bytes, e não conn
"""

import struct

resposta_envia = enviar_mensagem


def resposta_recebe(conn):
    (n,) = struct.unpack("!I", conn)
    return exato(conn, n).decode()
