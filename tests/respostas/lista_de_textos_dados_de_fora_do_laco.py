"""Verificação: sends_a_list
Pista: comece cada eco com dados = b''
"""

import socket


def resposta(host, porta, mensagens):
    ecos, dados = [], b""
    with socket.create_connection((host, porta)) as s:
        for mensagem in mensagens:
            s.sendall(mensagem.encode())
            dados += s.recv(1024)
            ecos.append(dados.decode())
    return ecos
