"""Eco com asyncio: cada cliente é uma tarefa. Uso: python servidor_asyncio.py [HOST PORTA]"""

import asyncio
import socket
import sys
import threading


async def atender(leitor, escritor):
    try:
        while dados := await leitor.read(1024):
            escritor.write(dados)
            await escritor.drain()  # se este cliente não lê, espera, e só por ele
    except (OSError, asyncio.CancelledError):
        pass  # este cliente caiu, ou o servidor parou; as outras tarefas continuam
    finally:
        escritor.close()


async def aceitar(escuta, parar, atender):
    servidor = await asyncio.start_server(atender, sock=escuta)
    while not parar.is_set():
        await asyncio.sleep(0.5)  # enquanto esta espera, as tarefas trabalham
    servidor.close()


def servir(escuta, parar, atender=atender):
    asyncio.run(aceitar(escuta, parar, atender))


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
