"""Verificação: framing
Pista: Os bytes já tinham vindo, e você pediu mais: junte-os com +=
"""

import struct


def exato(conn, n):
    dados = b""
    while len(dados) < n:
        parte = conn.recv(n - len(dados))
        if not parte:
            raise ConnectionError("a conexão acabou no meio")
    return dados


def resposta_enviar(conn, texto):
    dados = texto.encode()
    conn.sendall(struct.pack("!I", len(dados)) + dados)


def resposta_receber(conn):
    (tamanho,) = struct.unpack("!I", exato(conn, 4))
    return exato(conn, tamanho).decode()
