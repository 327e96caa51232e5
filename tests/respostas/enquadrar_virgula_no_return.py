"""Verificação: framing
Pista: A vírgula no fim do return
"""

import struct

resposta_envia = enviar_mensagem


def resposta_recebe(conn):
    (n,) = struct.unpack("!I", exato(conn, 4))
    return (exato(conn, n).decode(),)
