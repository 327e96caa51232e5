"""Os servidores que o benchmark compara, um por processo.

Uso: ``python servers.py NOME``. Escreve a porta na saída padrão e termina quando a
entrada padrão fecha; assim nenhum servidor sobrevive ao benchmark.
"""

from __future__ import annotations

import asyncio
import os
import resource
import select
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

BUFFER_SIZE = 1024
BACKLOG = 1024


def announce(port: int) -> None:
    """Diz a porta a quem iniciou este processo."""
    print(port, flush=True)


def listening() -> socket.socket:
    """Abre o socket que escuta, em uma porta livre do loopback, e a anuncia."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    announce(listener.getsockname()[1])
    return listener


def echo(conn: socket.socket) -> None:
    """Devolve tudo o que chega, até o cliente fechar."""
    with conn, suppress(ConnectionError):
        while data := conn.recv(BUFFER_SIZE):
            conn.sendall(data)


def threads() -> None:
    """Uma thread por cliente, como no fim do tutorial."""
    with listening() as listener:
        while True:
            conn, _ = listener.accept()
            threading.Thread(target=echo, args=(conn,), daemon=True).start()


def socketserver_threads() -> None:
    """``socketserver.ThreadingTCPServer``, da biblioteca padrão."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            echo(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = BACKLOG

    with Server(("127.0.0.1", 0), Handler) as server:
        announce(server.server_address[1])
        server.serve_forever()


def streams() -> None:
    """``asyncio.start_server``, com controle de fluxo por ``drain``."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(BUFFER_SIZE):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve() -> None:
        async with await asyncio.start_server(handle, sock=listening(), backlog=BACKLOG) as server:
            await server.serve_forever()

    asyncio.run(serve())


class EchoProtocol(asyncio.Protocol):
    """Escreve cada bloco que chega, sem controle de fluxo."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)  # type: ignore[attr-defined]


async def serve_protocol() -> None:
    """Atende com ``EchoProtocol`` no laço de eventos corrente."""
    loop = asyncio.get_running_loop()
    async with await loop.create_server(EchoProtocol, sock=listening(), backlog=BACKLOG) as server:
        await server.serve_forever()


def asyncio_protocol() -> None:
    """``asyncio.Protocol`` no laço da biblioteca padrão."""
    asyncio.run(serve_protocol())


def uvloop_protocol() -> None:
    """O mesmo ``asyncio.Protocol`` no laço do uvloop."""
    import uvloop

    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(serve_protocol())


def bare_loop() -> None:
    """O menor laço de epoll em Python: só recv e send. É o teto de quem faz isso e mais algo."""
    connections: dict[int, socket.socket] = {}
    with listening() as listener, select.epoll() as poller:
        poller.register(listener, select.EPOLLIN)
        while True:
            for fd, _ in poller.poll():
                if fd == listener.fileno():
                    conn, _ = listener.accept()
                    conn.setblocking(False)
                    connections[conn.fileno()] = conn
                    poller.register(conn, select.EPOLLIN)
                elif data := connections[fd].recv(BUFFER_SIZE):
                    connections[fd].send(data)
                else:
                    connections.pop(fd).close()  # e com ele sai do epoll


def echo_server() -> None:
    """O ``EchoServer`` desta biblioteca, com os limites abertos."""
    from echo_lib.server import EchoServer

    limits = {"max_clients": 20_000, "max_clients_per_address": 20_000}
    with EchoServer(port=0, **limits) as server:
        announce(server.address[1])
        threading.Event().wait()


def traced_echo_server() -> None:
    """O mesmo ``EchoServer``, dentro de um ``Trace``."""
    from echo_lib.trace import Trace

    with Trace():
        echo_server()


SERVERS: dict[str, Callable[[], None]] = {
    "EchoServer": echo_server,
    "rastreado": traced_echo_server,
    "threads": threads,
    "socketserver": socketserver_threads,
    "streams": streams,
    "asyncio": asyncio_protocol,
    "uvloop": uvloop_protocol,
    "laço": bare_loop,
}


def end_with_parent() -> None:
    """Termina o processo quando a entrada padrão fecha."""
    os.read(0, 1)
    os._exit(0)


def main(name: str) -> None:
    """Prepara o processo e atende para sempre com o servidor pedido."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sys.path.insert(0, str(Path(__file__).parents[2]))
    threading.Thread(target=end_with_parent, daemon=True).start()
    SERVERS[name]()


if __name__ == "__main__":
    main(sys.argv[1])
