"""Verificação: framing
Pista: A função fechou conn
"""

import struct

resposta_enviar = enviar_mensagem


def resposta_receber(conn):
    with conn:
        (tamanho,) = struct.unpack("!I", exato(conn, 4))
        return exato(conn, tamanho).decode()
