"""Verificação: framing
Pista: a um byte do fim da mensagem. Seu código parou com ValueError
"""

import struct


def exato(conn, n):
    dados = b""
    while len(dados) < n:
        parte = conn.recv(n - len(dados))
        if not parte:
            raise ValueError("incompleta")
        dados += parte
    return dados


def resposta_enviar(conn, texto):
    dados = texto.encode()
    conn.sendall(struct.pack("!I", len(dados)) + dados)


def resposta_receber(conn):
    (tamanho,) = struct.unpack("!I", exato(conn, 4))
    return exato(conn, tamanho).decode()
