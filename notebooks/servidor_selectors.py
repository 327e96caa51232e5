"""Eco numa thread só, que não espera por ninguém. Uso: python servidor_selectors.py [HOST PORTA]"""

import selectors
import socket
import sys
import threading


def atender(vigia, conn, falta):
    if falta:
        falta = falta[conn.send(falta) :]  # send diz quantos aceitou; falta o resto
    elif not (falta := conn.recv(1024)):
        raise ConnectionError("o cliente saiu")
    vigia.modify(conn, selectors.EVENT_WRITE if falta else selectors.EVENT_READ, falta)


def servir(escuta, parar, atender=atender):
    escuta.setblocking(False)  # o que teria de esperar dá erro: BlockingIOError
    with selectors.DefaultSelector() as vigia:
        vigia.register(escuta, selectors.EVENT_READ)
        while not parar.is_set():
            for chave, _ in vigia.select(timeout=0.5):  # espera até alguém poder agir
                try:
                    if chave.fileobj is not escuta:
                        atender(vigia, chave.fileobj, chave.data)
                    else:
                        conn, _ = escuta.accept()
                        conn.setblocking(False)
                        vigia.register(conn, selectors.EVENT_READ, b"")
                except OSError:  # este saiu ou caiu; os outros continuam
                    if chave.fileobj is not escuta:
                        vigia.unregister(chave.fileobj).fileobj.close()
        for chave in [*vigia.get_map().values()]:
            chave.fileobj.close()


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
