"""Verificação: client
Pista: Quem usa accept é o servidor
"""

import socket


def resposta(host, porta, mensagem):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.connect((host, porta))
    conn, _ = s.accept()
    conn.sendall(mensagem.encode())
    return conn.recv(1024).decode()
