"""Verificação: client
Certa.
"""

import codecs
import socket


def resposta(host, porta, mensagem):
    decodificar = codecs.getincrementaldecoder("utf-8")().decode
    with socket.create_connection((host, porta)) as s:
        s.sendall(mensagem.encode())
        eco = ""
        while len(eco) < len(mensagem):
            parte = s.recv(64)
            if not parte:
                raise ConnectionAbortedError("metade de um eco não é o eco")
            eco += decodificar(parte)
        return eco
