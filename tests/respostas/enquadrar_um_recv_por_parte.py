"""Verificação: framing
Pista: leia o tamanho e o texto com exato
"""

import struct


def resposta_enviar(conn, texto):
    dados = texto.encode()
    conn.sendall(struct.pack("!I", len(dados)) + dados)


def resposta_receber(conn):
    (tamanho,) = struct.unpack("!I", conn.recv(4))
    return conn.recv(tamanho).decode()
