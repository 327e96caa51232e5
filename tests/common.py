"""O que os testes e os programas que eles abrem têm em comum; sem o pytest, que demora."""

import socket
import struct
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = "127.0.0.1"
TIMEOUT = 20.0  # segundos: nenhuma espera dos testes passa disto


def reset(sock: socket.socket) -> None:
    """Derruba a conexão: com SO_LINGER de 0 segundos, close() manda RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def receive(sock: socket.socket, size: int = 1 << 30) -> bytes:
    """Até `size` bytes, ou tudo o que vier até o fim; um RST também é fim."""
    data = b""
    with suppress(ConnectionError):
        while len(data) < size and (piece := sock.recv(65536)):
            data += piece
    return data
