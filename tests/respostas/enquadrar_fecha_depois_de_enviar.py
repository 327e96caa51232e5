"""Verificação: framing
Pista: Quem envia não fecha
"""

import struct


def resposta_enviar(conn, texto):
    dados = texto.encode()
    conn.sendall(struct.pack("!I", len(dados)) + dados)
    conn.close()


def resposta_receber(conn):
    def exato(n):
        dados = b""
        while len(dados) < n:
            dados += conn.recv(n - len(dados))
        return dados

    return exato(struct.unpack("!I", exato(4))[0]).decode()
