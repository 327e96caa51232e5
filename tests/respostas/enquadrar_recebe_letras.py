"""Verificação: framing
Pista: O tamanho conta bytes, e você contou letras
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
    import codecs

    (n,) = struct.unpack("!I", exato(conn, 4))
    decodificador, texto = codecs.getincrementaldecoder("utf-8")(), ""
    while len(texto) < n:
        texto += decodificador.decode(conn.recv(n - len(texto)))
    return texto
