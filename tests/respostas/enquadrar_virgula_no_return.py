"""Verificação: framing
Pista: A vírgula no fim do return
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


def resposta_envia(conn, texto):
    dados = texto.encode()
    conn.sendall(struct.pack("!I", len(dados)) + dados)


def resposta_recebe(conn):
    (n,) = struct.unpack("!I", exato(conn, 4))
    return (exato(conn, n).decode(),)
