"""Verificação: sends_a_list
Pista: ao servidor chegou
"""

import socket


def resposta(host, porta, mensagens):
    ecos = []
    with socket.create_connection((host, porta), timeout=2) as s:
        for mensagem in mensagens:
            enviados, recebidos = (mensagem + "\n").encode(), b""
            s.sendall(enviados)
            while len(recebidos) < len(enviados):
                recebidos += s.recv(1024)
            ecos.append(recebidos.decode().strip("\n"))
    return ecos
