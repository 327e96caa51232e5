"""Verificação: sends_a_list
Pista: você não recebeu os ecos inteiros
"""

import socket


def resposta(host, porta, mensagens):
    ecos = []
    with socket.create_connection((host, porta)) as s:
        for mensagem in mensagens:
            s.sendall(mensagem.encode())
            if mensagem:
                s.recv(1024)
            ecos.append(mensagem)
    return ecos
