"""Verificação: client
Pista: o que veio não foi um erro de conexão
"""

import socket


def resposta(host, porta, mensagem):
    esperado, dados = mensagem.encode(), b""
    with socket.create_connection((host, porta), timeout=5) as s:
        s.sendall(esperado)
        while len(dados) < len(esperado):
            parte = s.recv(1024)
            if not parte:
                raise ConectionError("o servidor fechou")
            dados += parte
    return dados.decode()
