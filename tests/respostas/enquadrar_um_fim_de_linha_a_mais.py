"""Verificação: framing
Pista: \x02oi\n'
"""

import struct


def resposta_enviar(conn, texto):
    dados = texto.encode()
    conn.sendall(struct.pack("!I", len(dados)) + dados + b"\n")


def resposta_receber(conn):
    return ""
