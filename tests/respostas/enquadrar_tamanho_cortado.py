"""Verificação: framing
Pista: A conexão acabou no tamanho
"""

import struct

resposta_enviar = enviar_mensagem


def resposta_receber(conn):
    tamanho = b""
    while len(tamanho) < 4:
        parte = conn.recv(4 - len(tamanho))
        if not parte:
            return ""
        tamanho += parte
    (falta,) = struct.unpack("!I", tamanho)
    dados = b""
    while len(dados) < falta:
        parte = conn.recv(falta - len(dados))
        if not parte:
            raise ConnectionError("acabou")
        dados += parte
    return dados.decode()
