"""Verificação: framing
Pista: O tamanho conta bytes, e você contou letras
"""

import struct

resposta_envia = enviar_mensagem


def resposta_recebe(conn):
    import codecs

    (n,) = struct.unpack("!I", exato(conn, 4))
    decodificador, texto = codecs.getincrementaldecoder("utf-8")(), ""
    while len(texto) < n:
        texto += decodificador.decode(conn.recv(n - len(texto)))
    return texto
