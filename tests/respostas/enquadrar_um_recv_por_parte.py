"""Verificação: framing
Pista: leia o tamanho e o texto com exato
"""

import struct

resposta_enviar = enviar_mensagem


def resposta_receber(conn):
    (tamanho,) = struct.unpack("!I", conn.recv(4))
    return conn.recv(tamanho).decode()
