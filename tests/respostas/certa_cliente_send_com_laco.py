"""Verificação: client
Certa.
"""

import socket


def resposta(host, porta, mensagem):
    dados = mensagem.encode()
    with socket.create_connection((host, porta)) as s:
        falta = dados
        while falta:
            falta = falta[s.send(falta) :]
        with s.makefile("rb") as arquivo:
            eco = arquivo.read(len(dados))
    assert len(eco) == len(dados), "o servidor fechou"
    return eco.decode()
