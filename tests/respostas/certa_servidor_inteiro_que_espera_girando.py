"""Verificação: whole_server
Certa.
"""

import socket


def resposta(host, porta):
    with socket.socket() as s:
        s.bind((host, porta))
        s.listen()
        s.setblocking(False)
        while True:
            try:
                conn, _ = s.accept()
                break
            except BlockingIOError:
                continue
        conn.setblocking(True)
        with conn:
            while dados := conn.recv(1024):
                conn.sendall(dados)
    return {"escuta": s, "cliente": conn}
