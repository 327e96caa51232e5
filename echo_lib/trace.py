"""Registra o que cada chamada de socket fez: `Event`, `Trace`, `TracedSocket`.

O rastro é uma propriedade do socket, não do servidor: dentro de `with Trace()`, todo socket TCP
criado — pelo código do aluno, por `socket.create_server`, por `socketserver` — é rastreado,
sem mudar uma linha. Fora dele, os sockets são os de sempre e nada custam.
"""

import itertools
import os
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import get_ident
from time import perf_counter
from typing import Any, NamedTuple, Self

from echo_lib.errors import counted, positive, printable

KEPT_BYTES = 4096  # de cada chamada o rastro guarda no máximo estes bytes: a memória tem limite
_GIVEN = 24  # caracteres, ou bytes, mostrados do que não foi enviado
_HALF_OPEN = 1024  # conexões à espera da outra ponta; a de fora deste kernel nunca chega
_ACTS = frozenset({"connect", "connect_ex", "send", "sendall", "sendmsg", "shutdown", "close"})
SENDS = frozenset({"send", "sendall", "sendmsg"})
RECEIVES = frozenset({"recv", "recv_into", "recvfrom"})
_TCP = (socket.AF_INET, socket.AF_INET6)


class Ends(NamedTuple):
    """As pontas de um socket no momento da chamada."""

    socket: int  # número do socket neste rastro: 1, 2, 3…
    connection: int | None = None  # número da conexão, o mesmo nas duas pontas
    role: str = ""  # "listener", "server" (nasceu de accept) ou "client" (nasceu de connect)
    local: Any = None
    peer: Any = None


@dataclass(frozen=True, slots=True)
class Event:
    """Uma chamada de socket, depois de terminada.

    `time` e `duration` são segundos (perf_counter, no Windows mais fino que monotonic). `time` é
    o começo do que age sobre o outro lado (connect, send, shutdown, close) e o fim do que espera
    por ele (accept, recv): ordenar por `time` põe a causa antes do efeito.
    """

    number: int
    time: float
    duration: float
    call: str
    argument: Any
    size: int
    data: bytes
    error: BaseException | None
    thread: int
    offset: int | None  # posição do primeiro byte no fluxo deste sentido; None se não se sabe
    socket: int
    connection: int | None
    role: str
    local: Any
    peer: Any

    @property
    def sends(self) -> bool:
        """Se a chamada envia bytes."""
        return self.call in SENDS

    @property
    def receives(self) -> bool:
        """Se a chamada recebe bytes; com MSG_PEEK ela só espia, e eles continuam lá."""
        if self.call not in RECEIVES:
            return False
        return not (isinstance(self.argument, tuple) and self.argument[1] & socket.MSG_PEEK)

    def __str__(self) -> str:
        what = f"{self.call}({'' if self.argument is None else self.argument})"
        if self.error is not None:
            return f"{what} → {type(self.error).__name__}: {printable(str(self.error))}"
        if self.call in SENDS | RECEIVES:
            size = counted(self.size, "byte")
            return f"{what} → {size} {self.data[:40]!r}{'…' if self.size > 40 else ''}"
        return f"{what} → {self.peer}" if self.call == "accept" else what


class Trace:
    """Rastro limitado das chamadas de socket, seguro entre threads.

    Argumentos:
        limit: quantos eventos guardar; os mais antigos são descartados e contados em `dropped`.

    Uso: `with Trace() as trace:` rastreia todo socket TCP criado dentro do bloco, e os que
    nascerem dele por accept, mesmo depois. Cada chamada grava uma tupla simples (append
    numa lista); os `Event` são montados só quando alguém lê.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self.limit = positive("limit", limit)
        self._rows: list[tuple[Any, ...]] = []  # o que foi gravado e ainda não foi lido
        self._most = limit + limit // 20  # quantas cabem ali: as que sobram saem de uma vez
        self._moving = threading.Lock()  # quem tira linhas de _rows
        self._lost_rows = self._noticed = 0  # quantas saíram sem ser lidas, e de quantas se soube
        self._kept: deque[Event] = deque(maxlen=limit)
        self._read = 0  # quantos eventos foram montados
        self._sockets = itertools.count(1)
        self._connections = itertools.count(1)
        self._half_open: dict[frozenset[Any], tuple[int, Any]] = {}
        self._offsets: dict[tuple[int, bool], int] = {}  # (socket, envia?): bytes até aqui
        self._lost = 0  # o fluxo dos sockets até este número tem uma lacuna
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        with _patch_lock:
            _active.append(self)
            socket.socket = TracedSocket  # type: ignore[misc]
            _renamed.extend(_replace(_plain_socket, TracedSocket))
            socket.socketpair = _untraced_pair
        return self

    def __exit__(self, *error: object) -> None:
        with _patch_lock:
            _active.remove(self)
            if _active == [_nowhere]:
                socket.socket = _plain_socket  # type: ignore[misc]
                _replace(TracedSocket, _plain_socket, _renamed)
                _renamed.clear()
                socket.socketpair = _plain_pair

    def events(self, after: int = 0, most: int | None = None) -> list[Event]:
        """Os eventos guardados, em ordem de tempo.

        Argumentos:
            after: só os de `number` maior que este, para quem lê aos poucos.
            most: destes, só os `most` de menor número; se omitido, todos.

        Retorna:
            list[Event]; os mesmos eventos podem ser lidos por vários leitores.
        """
        with self._lock:
            self._collect()
            first = self._read - len(self._kept) + 1  # os números guardados são seguidos
            start = max(0, after + 1 - first)
            new = itertools.islice(self._kept, start, None if most is None else start + most)
            return sorted(new, key=lambda event: event.time)

    def moved(self) -> float | None:
        """Quando passou o último byte, sem montar os eventos: pode-se perguntar muitas vezes.

        Retorna:
            float, quando acabou a chamada que o levou, pelo relógio de `Event.time`; 0.0 se nenhuma
            levou bytes, e None sem eventos.
        """
        with self._lock, self._moving:
            rows, kept = self._rows[:], [*self._kept]
        # O `time` de quem age é o começo da chamada.
        ends = (e.time + e.duration * (e.call in _ACTS) for e in kept if e.size)
        times = [row[1] for row in rows if row[4]] or ends
        return max(times, default=0.0) if rows or kept else None

    @property
    def dropped(self) -> int:
        """Quantos eventos já foram descartados por falta de lugar."""
        with self._lock:
            self._collect()
            return self._read + self._lost_rows - len(self._kept)

    def _branch(self, peer: Any) -> "Trace":
        """O rastro em que grava a conexão aceita de `peer`."""
        return self

    def _collect(self) -> None:
        """Monta os Event das linhas novas. Chame com a trava: só há um leitor por vez."""
        with self._moving:
            self._trim()
            new, lost = self._rows[:], self._lost_rows
            del self._rows[: len(new)]  # o que outra thread gravou neste instante continua lá
        if lost > self._noticed:
            self._noticed, self._lost = lost, next(self._sockets)
            self._offsets.clear()
        for row in new:
            self._read += 1
            self._kept.append(self._event(row))

    def _make_room(self) -> None:
        """Tira as linhas mais antigas; muitas de uma vez, o que custa menos que uma a uma."""
        # Sem esperar: quem tem a trava já tira, e pode ser esta mesma thread, interrompida pelo
        # coletor de lixo para fechar um socket esquecido.
        if self._moving.acquire(blocking=False):
            try:
                self._trim()
            finally:
                self._moving.release()

    def _trim(self) -> None:
        if (extra := len(self._rows) - self.limit) > 0:
            del self._rows[:extra]
            self._lost_rows += extra

    def _event(self, row: tuple[Any, ...]) -> Event:
        start, end, call, argument, size, data, error, thread, ends = row
        time = start if call in _ACTS else end
        given = (self._read, time, end - start, call, argument, size, data, error, thread)
        event = Event(*given, None, *ends)
        if event.sends or event.receives:
            return replace(event, offset=self._advance(event))
        if call == "close":
            for sends in (True, False):
                self._offsets.pop((event.socket, sends), None)
        return event

    def _advance(self, event: Event) -> int | None:
        """A posição do primeiro byte do evento no seu fluxo, que avança com ele."""
        key = (event.socket, event.sends)
        offset = self._offsets.get(key, 0)
        if event.socket <= self._lost or offset < 0:
            return None
        # O erro de tipo vem antes de qualquer byte; nos outros, não se sabe quantos já foram.
        interrupted = event.call == "sendall" and not isinstance(event.error, TypeError | None)
        self._offsets[key] = -1 if interrupted else offset + event.size
        return offset

    def _pair(self, local: Any, peer: Any) -> int:
        """O número da conexão entre duas pontas; a segunda a chegar recebe o da primeira."""
        key = frozenset(map(_plain_address, (local, peer)))
        with self._lock:
            number, first = self._half_open.pop(key, (0, None))
            if not number or first == local:  # par novo, ou as portas foram usadas de novo
                number = next(self._connections)
                self._half_open[key] = (number, local)
                if len(self._half_open) > _HALF_OPEN:  # o par do mais antigo não está neste kernel
                    del self._half_open[next(iter(self._half_open))]
            return number


class TracedSocket(socket.socket):
    """Um socket que grava cada chamada num `Trace`.

    Argumentos: os de socket.socket, e `trace` (o do `with` mais interno, se omitido). Só sockets
    TCP são gravados; os demais funcionam como sempre. Cada método recebe, devolve e lança o mesmo
    que o de socket.socket. Fonte: docs.python.org/3/library/socket.html.
    """

    __slots__ = ("_copies", "_ends", "_most", "_rows", "_trace")

    def __init__(
        self,
        family: int = -1,
        type: int = -1,
        proto: int = -1,
        fileno: int | None = None,
        *,
        trace: Trace | None = None,
    ) -> None:
        super().__init__(family, type, proto, fileno)
        is_tcp = self.family in _TCP and self.type == socket.SOCK_STREAM
        self._trace = (trace or _active[-1]) if is_tcp else _nowhere
        self._ends = Ends(next(self._trace._sockets))
        self._copies = [1]  # quantos objetos, por dup(), são este mesmo socket
        self._rows, self._most = self._trace._rows, self._trace._most
        if is_tcp and fileno is not None and trace is None:  # nasceu do accept de um socket comum
            with suppress(OSError):
                self._find_ends("server", self.getpeername())

    def bind(self, address: Any) -> None:
        self._change("bind", super().bind, address)

    def listen(self, *backlog: int) -> None:
        self._change("listen", super().listen, *backlog)

    def connect(self, address: Any) -> None:
        self._change("connect", super().connect, address)

    def connect_ex(self, address: Any) -> int:
        return int(self._change("connect_ex", super().connect_ex, address))

    def shutdown(self, how: int) -> None:
        self._change("shutdown", super().shutdown, how)

    def accept(self) -> tuple[socket.socket, Any]:
        start = perf_counter()
        try:
            fileno, peer = self._accept()  # type: ignore[attr-defined]
        except BaseException as error:
            self._note(start, "accept", error=error)
            raise
        trace = self._trace._branch(peer)
        conn = TracedSocket(self.family, self.type, self.proto, fileno, trace=trace)
        if socket.getdefaulttimeout() is None and self.gettimeout():
            conn.setblocking(True)  # como em socket.accept: a conexão não herda o prazo
        conn._find_ends("server", peer)
        # O evento é do socket de escuta, mas leva as pontas da conexão que nasceu.
        conn._note(start, "accept", ends=conn._ends._replace(socket=self._ends.socket))
        return conn, peer

    # recv e send são o caminho quente do servidor: a linha é montada ali mesmo, sem outra chamada.
    def recv(self, buffer_size: int, flags: int = 0) -> bytes:
        start = perf_counter()
        try:
            data = _recv(self, buffer_size, flags)
        except BaseException as error:
            self._note(start, "recv", _asked(buffer_size, flags), error=error)
            raise
        size = len(data)
        if flags or size > KEPT_BYTES:
            self._note(start, "recv", _asked(buffer_size, flags), size, data)
            return data
        rows, thread, ends = self._rows, get_ident(), self._ends
        rows.append((start, perf_counter(), "recv", buffer_size, size, data, None, thread, ends))
        if len(rows) > self._most:
            self._trace._make_room()
        return data

    def send(self, data: Any, flags: int = 0) -> int:
        start = perf_counter()
        try:
            size = _send(self, data, flags)
        except BaseException as error:
            self._note(start, "send", _given(data), error=error)
            raise
        if type(data) is not bytes or size < len(data) or size > KEPT_BYTES:
            self._note(start, "send", None, size, data)
            return size
        rows, thread, ends = self._rows, get_ident(), self._ends
        rows.append((start, perf_counter(), "send", None, size, data, None, thread, ends))
        if len(rows) > self._most:
            self._trace._make_room()
        return size

    def sendall(self, data: Any, flags: int = 0) -> None:
        self._transfer("sendall", None, data, super().sendall, data, flags)

    if hasattr(socket.socket, "sendmsg"):  # no Windows não há, e quem pergunta deve sabê-lo

        def sendmsg(self, buffers: Any, *rest: Any) -> int:  # o asyncio, a partir do Python 3.12
            parts, send = list(buffers), super().sendmsg
            return int(self._transfer("sendmsg", None, b"".join(parts), send, parts, *rest))

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:  # e makefile()
        room = nbytes or memoryview(buffer).nbytes
        given = (self, buffer, room, flags)
        return int(self._transfer("recv_into", _asked(room, flags), buffer, _recv_into, *given))

    def recvfrom(self, buffer_size: int, flags: int = 0) -> tuple[bytes, Any]:
        start = perf_counter()
        argument = _asked(buffer_size, flags)
        try:
            data, address = _recvfrom(self, buffer_size, flags)
        except BaseException as error:
            self._note(start, "recvfrom", argument, error=error)
            raise
        self._note(start, "recvfrom", argument, len(data), data)
        return data, address

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        # O atalho do sistema enviaria os bytes sem passar por send.
        return int(self._sendfile_use_send(file, offset, count))  # type: ignore[attr-defined]

    def dup(self) -> Self:
        fd = socket.dup(self.fileno())
        copy = type(self)(self.family, self.type, self.proto, fd, trace=self._trace)
        copy.settimeout(self.gettimeout())
        copy._ends, copy._copies = self._ends, self._copies
        self._copies[0] += 1
        return copy

    def _real_close(self) -> None:
        # close() espera o fim de todo makefile(); aqui o fechamento é de verdade.
        start, is_open = perf_counter(), self.fileno() >= 0
        super()._real_close()  # type: ignore[misc]
        self._copies[0] -= is_open
        if is_open and not self._copies[0]:  # enquanto houver um dup, a conexão continua
            self._note(start, "close")

    def _transfer(
        self, call: str, argument: Any, data: Any, method: Callable[..., Any], *given: Any
    ) -> Any:
        """Faz uma chamada que leva ou traz bytes e grava o resultado."""
        start = perf_counter()
        try:
            result = method(*given)
        except BaseException as error:
            if argument is None:  # quem envia: os bytes que foram não se conhecem
                argument = _given(data)
            self._note(start, call, argument, error=error)
            raise
        size = memoryview(data).nbytes if result is None else result
        self._note(start, call, argument, size, data)
        return result

    def _change(self, call: str, method: Callable[..., Any], *given: Any) -> Any:
        """Faz uma chamada que muda o estado do socket e grava o resultado."""
        start = perf_counter()
        argument = given[0] if given else None
        result: Any = None
        failure: BaseException | None = None
        try:
            result = method(*given)
            if result:  # no connect_ex, o erro vem como número; as outras devolvem None
                failure = OSError(result, os.strerror(result))
        except BaseException as error:  # inclui a interrupção do kernel
            failure = _bare(error)  # o original, guardado aqui, seguraria esta mesma chamada
            raise
        finally:
            if call.startswith("connect") and (not failure or isinstance(failure, BlockingIOError)):
                if not self._ends.connection:  # chamado de novo, a conexão é a mesma
                    self._find_ends("client", argument)
            elif not failure and call in ("bind", "listen"):
                role = "listener" if call == "listen" else self._ends.role
                self._ends = self._ends._replace(role=role, local=self.getsockname())
            self._note(start, call, argument, error=failure)
        return result

    def _find_ends(self, role: str, peer: Any) -> None:
        """Descobre as pontas e o número da conexão."""
        local = None
        with suppress(OSError):  # no macOS, falha se o outro lado já se foi
            local = self.getsockname()
        with suppress(OSError):  # a conexão ainda não se completou, ou já acabou
            peer = self.getpeername()
        self._ends = Ends(self._ends.socket, self._trace._pair(local, peer), role, local, peer)

    def _note(
        self,
        start: float,
        call: str,
        argument: Any = None,
        size: int = 0,
        data: Any = b"",
        error: BaseException | None = None,
        ends: Ends | None = None,
    ) -> None:
        """Grava uma chamada fora do caminho quente. Do erro fica uma cópia sem traceback."""
        end, thread, kept, bare = perf_counter(), get_ident(), _cut(data, size), _bare(error)
        row = (start, end, call, argument, size, kept, bare, thread, ends or self._ends)
        self._rows.append(row)
        if len(self._rows) > self._most:
            self._trace._make_room()


def _replace(old: type, new: type, among: Iterable[str] | None = None) -> list[str]:
    """Troca a classe que o notebook trouxe com `from socket import *`; devolve os nomes dela."""
    space = vars(sys.modules["__main__"])
    names = [n for n in (list(space) if among is None else among) if space.get(n) is old]
    space.update(dict.fromkeys(names, new))
    return names


def _untraced_pair(*arguments: Any, **named: Any) -> tuple[socket.socket, socket.socket]:
    """Um socketpair fora do rastro: no Windows, o do asyncio é feito de sockets TCP comuns."""
    with _patch_lock:
        current, socket.socket = socket.socket, _plain_socket  # type: ignore[misc]
        try:
            return _plain_pair(*arguments, **named)
        finally:
            socket.socket = current  # type: ignore[misc]


def _plain_address(address: Any) -> Any:
    """O endereço sem o que um socket IPv6 acrescenta a uma conexão IPv4 (RFC 4291, 2.5.5.2)."""
    if not isinstance(address, tuple) or len(address) < 2:
        return address
    return str(address[0]).removeprefix("::ffff:"), address[1]


def _cut(data: Any, size: int) -> bytes:
    """Uma cópia do começo de `data`, limitada a KEPT_BYTES."""
    return bytes(memoryview(data).cast("B")[: min(size, KEPT_BYTES)]) if size else b""


def _given(data: Any) -> str:
    """O que se pediu para enviar, como se escreve em Python; só o começo, se é muito."""
    if isinstance(data, str | bytes | bytearray) and len(data) > _GIVEN:
        return f"{data[:_GIVEN]!r}…"
    return f"<{type(data).__name__}>" if len(text := repr(data)) > 4 * _GIVEN else text


def _asked(size: Any, flags: Any) -> Any:
    """O argumento de quem recebe; o que não é número vai como texto, que sempre se desenha."""
    if not (isinstance(size, int) and isinstance(flags, int)):
        return repr((size, flags) if flags else size)
    return (size, flags) if flags else size


def _bare(error: BaseException | None) -> BaseException | None:
    """Uma cópia da exceção sem traceback, que seguraria variáveis e sockets vivos."""
    try:
        return None if error is None else type(error)(*error.args)
    except Exception:  # uma exceção com outra assinatura
        return Exception(f"{type(error).__name__}: {error}")


_plain_socket = socket.socket
_plain_pair = socket.socketpair
_recv = _plain_socket.recv
_recv_into = _plain_socket.recv_into
_recvfrom = _plain_socket.recvfrom
_send = _plain_socket.send
_patch_lock = threading.Lock()
_nowhere = Trace(limit=1)  # onde gravam os sockets que nenhum rastro observa
_active = [_nowhere]
_renamed: list[str] = []  # os nomes do programa que guardavam o socket de sempre
