"""Verificação: sends_a_list
Pista: antes de receber inteiro o eco do anterior
"""

import socket


def resposta(host, porta, mensagens):
    ecos = []
    with socket.create_connection((host, porta)) as s:
        for mensagem in mensagens:
            s.sendall(mensagem.encode())
        for mensagem in mensagens:
            dados, n = b"", len(mensagem.encode())
            while len(dados) < n:
                dados += s.recv(n - len(dados))
            ecos.append(dados.decode())
    return ecos
