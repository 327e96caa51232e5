"""Verificação: sends_a_list
Pista: devolva o que o recv trouxe
"""

import socket


def resposta(host, porta, mensagens):
    ecos = []
    with socket.create_connection((host, porta), timeout=2) as s:
        for mensagem in mensagens:
            s.sendall(mensagem.encode())
            faltam = len(mensagem.encode())
            while faltam and (parte := s.recv(faltam)):
                faltam -= len(parte)
            ecos.append(mensagem)
    return ecos
