"""As outras pontas: quem conversa com o código do aluno, bem ou mal comportado."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from echo_lib import isolated

_FLOOD = 2**21  # bytes: mais do que cabe nos quatro buffers, que limit_buffers limita
_STALL = 0.3  # segundos sem caber mais nada


def exchange(peer: socket.socket, data: bytes, size: int | None = None) -> bytes:
    """Envia `data` e recebe outro tanto, ou `size` bytes, ou até o prazo, o fim ou a queda."""
    sender = threading.Thread(target=send, args=(peer, data), daemon=True)
    sender.start()
    received = receive(peer, len(data) if size is None else size)
    sender.join(isolated.TIMEOUT)  # se ninguém recebe, o prazo do socket o acaba
    return received


def send(peer: socket.socket, data: bytes) -> None:
    with suppress(OSError):  # o que faltou chegar aparece na comparação
        peer.sendall(data)


def flood(
    peer: socket.socket, hungry: Callable[[], bool] = lambda: False, most: int = _FLOOD
) -> int:
    """Envia sem ler, até que nada mais caiba no caminho; devolve quantos bytes foram.

    Argumentos:
        hungry: se o outro lado quer o processador, e quase não o teve desde a pergunta anterior.
        most: quantos bytes enviar, no máximo.
    """
    gone, data = 0, memoryview(bytes(most))
    deadline = monotonic() + isolated.PATIENCE * isolated.TIMEOUT
    with suppress(OSError):
        peer.settimeout(_STALL)
        stuck = False
        while gone < len(data):
            try:
                gone += peer.send(data[gone:])
                stuck = False
            except TimeoutError:
                # A primeira pergunta marca o começo: o que conta é o processador desde que parou.
                waits = hungry()
                if monotonic() > deadline or (stuck and not waits):
                    break
                stuck = True
    return gone


def end(peer: socket.socket) -> None:
    """Diz que não enviará mais nada, e continua a receber (RFC 9293, seção 3.6)."""
    with suppress(OSError):
        peer.getpeername()  # ENOTCONN: o outro lado já a derrubou, e nada se desenha
        peer.shutdown(socket.SHUT_WR)


def send_and_end(peer: socket.socket, data: bytes) -> None:
    send(peer, data)
    end(peer)


def cut(peer: socket.socket) -> None:
    """Solta quem ainda envia; sem rastro, pois não é da conversa."""
    with suppress(OSError):
        socket.SocketType.shutdown(peer, socket.SHUT_RDWR)


def reset(peer: socket.socket) -> None:
    """Cai de repente: close com SO_LINGER de 0 segundos envia um RST (socket(7), SO_LINGER)."""
    layout = "hh" if hasattr(socket, "SIO_RCVALL") else "ii"  # no Windows, dois de 16 bits
    with suppress(OSError):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(layout, 1, 0))
    peer.close()


def receive(peer: socket.socket, size: int, more: float = 0.0) -> bytes:
    """Até `size` bytes, ou até o silêncio, a demora, o fim ou a queda.

    Argumentos:
        more: segundos que se somam ao prazo do silêncio.
    """
    received = bytearray()
    deadline = monotonic() + isolated.PATIENCE * isolated.TIMEOUT
    with suppress(OSError):
        peer.settimeout(isolated.TIMEOUT + more)
        while len(received) < size and monotonic() < deadline:
            piece = peer.recv(min(65536, size - len(received)))
            if not piece:
                break
            received += piece
    return bytes(received)
