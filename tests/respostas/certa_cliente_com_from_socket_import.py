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
        parte = s.recv(1)
        if parte == b"":
            s.close()
            raise ConnectionError("o servidor fechou antes do fim")
        dados += parte
    s.close()
    return dados.decode()
