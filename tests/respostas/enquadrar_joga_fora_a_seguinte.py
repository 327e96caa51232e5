"""Verificação: framing
Pista: Não peça ao recv mais do que falta
"""

import struct

resposta_enviar = enviar_mensagem


def resposta_receber(conn):
    dados = b""
    while len(dados) < 4:
        dados += conn.recv(4096)
    tamanho = struct.unpack("!I", dados[:4])[0]
    while len(dados) < 4 + tamanho:
        dados += conn.recv(4096)
    return dados[4 : 4 + tamanho].decode()
