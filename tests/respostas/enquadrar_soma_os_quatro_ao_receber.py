"""Verificação: framing
Pista: o tamanho não conta os 4 bytes dele
"""

import struct

resposta_envia = enviar_mensagem


def resposta_recebe(conn):
    (n,) = struct.unpack("!I", exato(conn, 4))
    return exato(conn, n + 4).decode()
