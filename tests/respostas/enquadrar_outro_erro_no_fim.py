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


resposta_enviar = enviar_mensagem


def resposta_receber(conn):
    (tamanho,) = struct.unpack("!I", exato(conn, 4))
    return exato(conn, tamanho).decode()
