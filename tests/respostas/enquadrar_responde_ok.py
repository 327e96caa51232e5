"""Verificação: framing
Pista: quem recebe só recebe
"""

import struct

resposta_envia = enviar_mensagem


def resposta_recebe(conn):
    (n,) = struct.unpack("!I", exato(conn, 4))
    texto = exato(conn, n).decode()
    conn.sendall(b"ok")
    return texto
