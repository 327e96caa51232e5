"""Verificação: client
Certa.
"""

from socket import create_connection, socket  # noqa: F401


def resposta(host, porta, mensagem):
    s = socket()
    s.connect((host, porta))
    s.sendall(mensagem.encode())
    dados = b""
    while len(dados) < len(mensagem.encode()):
        dados += s.recv(1)
    s.close()
    return dados.decode()
