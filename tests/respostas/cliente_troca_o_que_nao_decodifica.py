"""Verificação: client
Pista: Cada � é um caractere cortado
"""

import socket


def resposta(host, porta, mensagem):
    with socket.create_connection((host, porta), timeout=1) as s:
        s.sendall(mensagem.encode())
        texto, vieram = "", 0
        while vieram < len(mensagem.encode()):
            parte = s.recv(1024)
            if not parte:
                raise ConnectionError("o servidor fechou antes de devolver tudo")
            vieram += len(parte)
            texto += parte.decode(errors="replace")
        return texto
