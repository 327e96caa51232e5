"""Verificação: server
Certa.
"""

espaco = memoryview(bytearray(1024))


def resposta(conn):
    while n := conn.recv_into(espaco):
        conn.sendall(espaco[:n])
