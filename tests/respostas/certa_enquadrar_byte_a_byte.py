"""Verificação: framing
Certa.
"""

import struct


def resposta_enviar(conn, texto):
    dados = texto.encode()
    conn.sendall(struct.pack("!I", len(dados)))
    conn.sendall(dados)


def resposta_receber(conn):
    def exato(n):
        dados = bytearray()
        while len(dados) < n:
            if not (parte := conn.recv(1)):
                raise EOFError
            dados += parte
        return bytes(dados)

    return exato(struct.unpack("!I", exato(4))[0]).decode()
