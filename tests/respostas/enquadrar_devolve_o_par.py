"""Verificação: framing
Pista: Devolva só o texto, sem o tamanho
"""

import struct

resposta_envia = enviar_mensagem


def resposta_recebe(conn):
    (n,) = struct.unpack("!I", exato(conn, 4))
    return n, exato(conn, n).decode()
