"""Verificação: server
Certa.
"""


def resposta(conn):
    espaco = bytearray(512)
    while n := conn.recv_into(espaco):
        conn.sendall(memoryview(espaco)[:n])
