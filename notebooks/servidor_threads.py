"""Eco com uma thread por cliente. Uso: python servidor_threads.py [HOST PORTA]"""

import socket
import sys
import threading


def atender(conn):
    with conn:
        try:
            while dados := conn.recv(1024):
                conn.sendall(dados)
        except OSError:
            pass  # este cliente caiu; as outras threads continuam


def servir(escuta, parar, atender=atender):
    escuta.settimeout(0.5)  # no Windows, Ctrl+C só é notado entre uma espera e outra
    while not parar.is_set():
        try:
            conn, _ = escuta.accept()
        except (TimeoutError, ConnectionError):
            continue  # ninguém chegou, ou quem chegou já desistiu
        threading.Thread(target=atender, args=(conn,), daemon=True).start()


if __name__ == "__main__":  # quando este arquivo é o programa, e não num import
    try:
        host, porta = sys.argv[1:] or ("127.0.0.1", "61840")
        with socket.create_server((host, int(porta))) as escuta:
            print(f"Servidor em {host}:{escuta.getsockname()[1]}. Ctrl+C encerra.", flush=True)
            servir(escuta, threading.Event())
    except KeyboardInterrupt:
        print("Servidor encerrado.")
    except (OSError, OverflowError, ValueError) as erro:  # a porta tem dono, ou não é porta?
        sys.exit(f"O servidor parou: {erro}.\n{__doc__}")
