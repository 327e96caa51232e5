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
            eco += decodificar(s.recv(64))
        return eco
