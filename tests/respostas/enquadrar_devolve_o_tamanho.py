"""Verificação: framing
Pista: é o tamanho: com ele, receba o texto
"""

import struct

resposta_envia = enviar_mensagem


def resposta_recebe(conn):
    (n,) = struct.unpack("!I", exato(conn, 4))
    return n
