"""Verificação: client"""

import socket


def resposta(host, porta, mensagem):
    enviados, recebidos = mensagem.encode(), b""
    with socket.create_connection((host, porta), timeout=1) as s:
        s.sendall(enviados)
        while recebidos != enviados:
            if not (parte := s.recv(1024)):
                raise ConnectionError("fechou")
            recebidos += parte
    return recebidos.decode()
