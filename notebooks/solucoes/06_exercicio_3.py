import socket
import sys

host, porta = sys.argv[1:3]
with socket.create_server((host, int(porta))) as s:
    while True:
        conn, addr = s.accept()
        with conn:
            try:
                while dados := conn.recv(1024):
                    conn.sendall(dados)
            except ConnectionError:
                pass  # este cliente caiu; o servidor continua
