"""Verificação: client
Certa.
"""

import socket


def resposta(host, porta, mensagem):
    dados, recebidos = bytearray(len(mensagem.encode())), 0
    with socket.create_connection((host, porta), timeout=1) as s:
        s.sendall(mensagem.encode())
        while recebidos < len(dados):
            n, _ = s.recvfrom_into(memoryview(dados)[recebidos:])
            if not n:
                raise ConnectionError("o servidor fechou")
            recebidos += n
    return dados.decode()
