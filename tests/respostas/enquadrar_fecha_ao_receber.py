"""Verificação: framing
Pista: A função fechou conn
"""

import struct


def exato(conn, n):
    dados = b""
    while len(dados) < n:
        parte = conn.recv(n - len(dados))
        if not parte:
            raise ConnectionError("acabou")
        dados += parte
    return dados


def resposta_enviar(conn, texto):
    dados = texto.encode()
    conn.sendall(struct.pack("!I", len(dados)) + dados)


def resposta_receber(conn):
    with conn:
        (tamanho,) = struct.unpack("!I", exato(conn, 4))
        return exato(conn, tamanho).decode()
