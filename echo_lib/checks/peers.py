"""As outras pontas: quem conversa com o código do aluno, bem ou mal comportado."""

import selectors
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from echo_lib import isolated

_FLOOD = 2**21  # bytes: mais do que cabe nos quatro buffers, que limit_buffers limita
_AT_ONCE = 2**15  # bytes que cabem sempre no caminho
_STALL = 0.3  # segundos sem caber mais nada
Hunger = Callable[[], Callable[[], bool]]  # o de um Learner, ou de um Program


def _none() -> Callable[[], bool]:
    """A fome de quem não se conhece: não se espera mais por ele."""
    return lambda: False


def exchange(
    peer: socket.socket, data: bytes, size: int | None = None, hunger: Hunger = _none
) -> bytes:
    """Envia `data` e recebe outro tanto, ou `size` bytes, ou até o prazo, o fim ou a queda."""
    sender = threading.Thread(target=send, args=(peer, data, hunger), daemon=True)
    sender.start()
    received = receive(peer, len(data) if size is None else size, hunger=hunger)
    sender.join(isolated.TIMEOUT)  # se ninguém recebe, o prazo do socket o acaba
    return received


def send(peer: socket.socket, data: bytes, hunger: Hunger = _none) -> None:
    """Envia tudo; o que faltou chegar aparece na comparação."""
    if len(data) > _AT_ONCE:  # o prazo de um sendall é o de todos os bytes
        _push(peer, data, isolated.TIMEOUT, hunger)
    else:
        with suppress(OSError):
            peer.sendall(data)


def flood(peer: socket.socket, hunger: Hunger = _none, most: int = _FLOOD) -> int:
    """Envia sem ler, até `most` bytes, ou até nada mais caber no caminho; devolve quantos foram."""
    return _push(peer, bytes(most), _STALL, hunger)


def _push(peer: socket.socket, data: bytes, silence: float, hunger: Hunger) -> int:
    """Envia enquanto couber algo a cada `silence` segundos; devolve quantos bytes foram."""
    gone, again = 0, hunger()
    deadline = monotonic() + isolated.PATIENCE * isolated.TIMEOUT
    with suppress(OSError, ValueError):  # ValueError: fechado enquanto se perguntava
        peer.settimeout(silence)
        while gone < len(data):
            try:
                gone += peer.send(memoryview(data)[gone:])
            except TimeoutError:
                if monotonic() > deadline or not (again() or _ready(peer, selectors.EVENT_WRITE)):
                    break
            else:
                again = hunger()
    return gone


def _ready(peer: socket.socket, event: int) -> bool:
    """Se já se pode agir, sem esperar: o que faltava chegou enquanto se perguntava por quê."""
    with selectors.DefaultSelector() as watcher:
        watcher.register(peer, event)
        return bool(watcher.select(0))


def end(peer: socket.socket) -> None:
    """Diz que não enviará mais nada, e continua a receber (RFC 9293, seção 3.6)."""
    with suppress(OSError):
        peer.getpeername()  # ENOTCONN: o outro lado já a derrubou, e nada se desenha
        peer.shutdown(socket.SHUT_WR)


def after_the_end(peer: socket.socket) -> bytes | None:
    """Diz que não enviará mais nada; o que ainda vem, b"" se é o fim, ou None se ele não vem."""
    end(peer)
    try:
        return peer.recv(1024)
    except TimeoutError:
        return None
    except OSError:
        return b""


def send_and_end(peer: socket.socket, data: bytes) -> None:
    send(peer, data)
    end(peer)


def reset(peer: socket.socket) -> None:
    """Cai de repente: close com SO_LINGER de 0 segundos envia um RST (socket(7), SO_LINGER)."""
    layout = "hh" if hasattr(socket, "SIO_RCVALL") else "ii"  # no Windows, dois de 16 bits
    with suppress(OSError):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(layout, 1, 0))
    peer.close()


def leave(peer: socket.socket, data: bytes) -> None:
    """Envia e fecha sem ler: o primeiro eco acha um socket fechado, e um dos seguintes, um RST.

    O fim chega junto com os bytes (MSG_MORE, do Linux), e o RST, depois dele: o erro é EPIPE. Nos
    outros sistemas, é em geral o de um RST.
    Fonte: send(2); RFC 9293, seção 3.6.1, sobre o que chega depois do close.
    """
    with suppress(OSError):  # o código já tinha acabado
        peer.sendall(data, getattr(socket, "MSG_MORE", 0))
    peer.close()


def at_hand(peer: socket.socket) -> bytes:
    """O que já chegou, sem esperar; até 2 MiB."""
    data = b""
    with suppress(OSError):
        while len(data) < _FLOOD and _ready(peer, selectors.EVENT_READ):
            if not (piece := peer.recv(_FLOOD)):
                break
            data += piece
    return data


def receive(peer: socket.socket, size: int, more: float = 0.0, hunger: Hunger = _none) -> bytes:
    """Até `size` bytes, ou até o silêncio, a demora, o fim ou a queda.

    Argumentos:
        more: segundos que se somam ao prazo do silêncio.
        hunger: o do outro lado, que numa máquina ocupada pode só esperar a vez no processador.
    """
    received, again = bytearray(), hunger()
    deadline = monotonic() + isolated.PATIENCE * isolated.TIMEOUT
    with suppress(OSError):
        peer.settimeout(isolated.TIMEOUT + more)
        while len(received) < size and monotonic() < deadline:
            try:
                piece = peer.recv(min(65536, size - len(received)))
            except TimeoutError:
                if not (again() or _ready(peer, selectors.EVENT_READ)):
                    break
                peer.settimeout(_STALL)
                continue
            if not piece:
                break
            received += piece
            again = hunger()
            peer.settimeout(isolated.TIMEOUT + more)
    return bytes(received)
