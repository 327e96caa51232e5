"""Grava as capturas da lição 11: `python -m tests.captures.record [PASTA]` (Linux, como root).

Duas máquinas de verdade (espaços de rede do Linux), cada uma com o seu TCP, e entre elas um fio
nosso: leva cada quadro depois de 10 ms e, conforme a gravação, perde ou estraga um deles. O que
passa em cada ponta do fio é gravado, `cliente.pcap` e `servidor.pcap`: o que saiu de um lado e
não apareceu no outro se perdeu. Numa máquina muito ocupada um quadro se atrasa ou se perde sem que
ninguém o peça: só vale a gravação que sai duas vezes igual. Sem argumento, regrava as que estão em
notebooks/capturas.
"""

import ctypes
import fcntl
import heapq
import os
import select
import socket
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from tests.common import ROOT, TIMEOUT, receive
from tests.lan.conftest import add_namespace, shape, system

FOLDER = ROOT / "notebooks" / "capturas"
SIDES = ("cliente", "servidor")
ADDRESSES = {"cliente": "192.168.1.30", "servidor": "192.168.1.20"}
MACS = {"cliente": "02:00:00:00:00:30", "servidor": "02:00:00:00:00:20"}
PORT, CLIENT_PORT = 61840, 50000
DELAY = 0.01  # segundos que o fio leva
ATTEMPTS = 6  # de gravar uma conversa, até duas seguidas saírem iguais
QUIET = 0.5  # segundos de silêncio até a conversa ter acabado: mais que uma retransmissão espera
MSS = 112  # bytes por segmento na gravação que os quer pequenos; 12 são da opção timestamps
_OFFLOADS = (0x17, 0x1F, 0x24, 0x2C)  # ETHTOOL_STXCSUM, _STSO, _SGSO, _SGRO (linux/ethtool.h)
_SIOCETHTOOL = 0x8946
_CLONE_NEWNET = 0x40000000
_numbers = count(1)

Frame = bytes
Rule = Callable[[str, TCP, Frame], Frame | None]


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Os sockets que esta thread cria aqui dentro são da outra máquina, e lá ficam."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(place: int) -> None:
        if libc.setns(place, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    with (
        open("/proc/thread-self/ns/net", "rb") as home,
        open(f"/run/netns/{namespace}", "rb") as there,
    ):
        enter(there.fileno())
        try:
            yield
        finally:
            enter(home.fileno())


class Wire(Thread):
    """O fio: leva os quadros de uma porta à outra, e guarda o que viu em cada uma."""

    def __init__(self, ports: dict[str, socket.socket], rule: Rule) -> None:
        super().__init__(name="fio", daemon=True)
        self.seen: dict[str, list[tuple[float, Frame]]] = {side: [] for side in SIDES}
        self._ports, self._rule = ports, rule
        self._ending = Event()

    def finish(self) -> None:
        """Espera o silêncio e para."""
        self._ending.set()
        self.join(TIMEOUT)
        assert not self.is_alive()

    def run(self) -> None:
        travelling: list[tuple[float, int, str, Frame]] = []
        sides = {port: side for side, port in self._ports.items()}
        order, last = count(), time.time()
        while travelling or not self._ending.is_set() or time.time() < last + QUIET:
            wait = max(0.0, travelling[0][0] - time.time()) if travelling else 0.05
            for port in select.select(list(sides), [], [], wait)[0]:
                side = sides[port]
                for frame in _waiting(port):
                    last = now = time.time()
                    self.seen[side].append((now, frame))
                    other = SIDES[side == SIDES[0]]
                    arriving = self._rule(side, Ether(frame)[TCP], frame)
                    if arriving is not None:
                        heapq.heappush(travelling, (now + DELAY, next(order), other, arriving))
            while travelling and travelling[0][0] <= time.time():
                _, _, side, frame = heapq.heappop(travelling)
                self.seen[side].append((time.time(), frame))
                self._ports[side].send(frame)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for side, frames in self.seen.items():
            packets = [Ether(frame) for _, frame in frames]
            for packet, (moment, _) in zip(packets, frames, strict=True):
                packet.time = moment
            wrpcap(str(folder / f"{side}.pcap"), packets)


def _waiting(port: socket.socket) -> Iterator[Frame]:
    """Os quadros que já chegaram à porta, todos: uma rajada não se parte, por ocupada a máquina."""
    with suppress(BlockingIOError):
        while True:
            frame, address = port.recvfrom(65535, socket.MSG_DONTWAIT)
            if address[2] != socket.PACKET_OUTGOING and address[1] == 0x0800:  # 0x0800: IPv4
                yield frame


class Network(NamedTuple):
    """As duas máquinas e o fio entre elas."""

    client: str
    server: str
    wire: Wire

    def connect(self, mss: int = 0) -> socket.socket:
        with inside(self.client):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.settimeout(TIMEOUT)
        if mss:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
        try:
            sock.bind((ADDRESSES["cliente"], CLIENT_PORT))
            sock.connect((ADDRESSES["servidor"], PORT))
        except BaseException:
            sock.close()
            raise
        return sock

    @contextmanager
    def serving(self, serve: Callable[[socket.socket], object]) -> Iterator[None]:
        """Um servidor que atende um cliente com `serve` e fecha."""
        with inside(self.server):
            listener = socket.create_server((ADDRESSES["servidor"], PORT))
        listener.settimeout(TIMEOUT)

        def work() -> None:
            with listener:
                conn = listener.accept()[0]
            with conn:
                conn.settimeout(TIMEOUT)
                serve(conn)

        thread = Thread(target=work, name="servidor", daemon=True)
        thread.start()
        yield
        thread.join(TIMEOUT)
        assert not thread.is_alive()


@contextmanager
def network(rule: Rule) -> Iterator[Network]:
    """As duas máquinas, que só conhecem uma à outra; tudo some no fim."""
    with ExitStack() as stack:
        start = f"captura{os.getpid()}-{next(_numbers)}"
        names = {side: f"{start}-{side}" for side in SIDES}
        middle = f"{start}-fio"
        add_namespace(middle, stack)
        for side, other in zip(SIDES, reversed(SIDES), strict=True):
            add_namespace(names[side], stack)
            ip = f"ip -n {names[side]}"
            system(
                f"ip -n {middle} link add {side} type veth peer name eth0 netns {names[side]}",
                f"ip -n {middle} link set {side} up",
                f"{ip} link set eth0 address {MACS[side]} up",
                f"{ip} addr add {ADDRESSES[side]}/24 dev eth0",
                # O reconhecimento não espera por dados em que ir de carona: a gravação se repete.
                f"{ip} route replace 192.168.1.0/24 dev eth0 quickack 1",
                f"{ip} neigh add {ADDRESSES[other]} lladdr {MACS[other]} dev eth0 nud permanent",
            )
            with inside(names[side]):
                _without_offloads("eth0")
        ports = {}
        with inside(middle):
            for side in SIDES:
                port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
                ports[side] = stack.enter_context(closing(port))
                port.bind((side, 3))  # 3: ETH_P_ALL
        wire = Wire(ports, rule)
        wire.start()
        try:
            yield Network(names["cliente"], names["servidor"], wire)
        finally:
            wire.finish()


def _without_offloads(interface: str) -> None:
    """O próprio TCP faz a soma e corta os segmentos, em vez de os deixar à placa."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for command in _OFFLOADS:
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = struct.pack("16sP", interface.encode(), ctypes.addressof(value))
            fcntl.ioctl(sock, _SIOCETHTOOL, request)


# --- o que o fio faz ---


def untouched(side: str, segment: TCP, frame: Frame) -> Frame | None:
    return frame


def nth(wanted: int, matches: Callable[[str, TCP], bool], change: Callable[[Frame], Frame | None]):
    """Uma regra: o `wanted`-ésimo quadro que combina muda; os outros passam."""
    found = count(1)

    def rule(side: str, segment: TCP, frame: Frame) -> Frame | None:
        return change(frame) if matches(side, segment) and next(found) == wanted else frame

    return rule


def lose(frame: Frame) -> None:
    return None


def spoil(frame: Frame) -> Frame:
    """Troca um bit do último byte."""
    return frame[:-1] + bytes([frame[-1] ^ 0x04])


def client_data(side: str, segment: TCP) -> bool:
    return side == "cliente" and bool(bytes(segment.payload))


def client_syn(side: str, segment: TCP) -> bool:
    return side == "cliente" and segment.flags == "S"


def server_ack(side: str, segment: TCP) -> bool:
    return side == "servidor" and segment.flags == "A" and not bytes(segment.payload)


# --- as conversas ---


def echo(conn: socket.socket) -> None:
    while dados := conn.recv(1024):
        conn.sendall(dados)


def talk(net: Network, *messages: str) -> None:
    """O cliente do tutorial: cada mensagem só sai depois do eco da anterior."""
    with net.serving(echo), net.connect() as s:
        for message in messages:
            s.sendall(message.encode())
            assert receive(s, len(message.encode())) == message.encode()


def silent(net: Network, data: bytes, mss: int = 0) -> None:
    """O cliente envia e fecha; o servidor só recebe, até o fim."""
    received: list[bytes] = []
    with net.serving(lambda conn: received.append(receive(conn))), net.connect(mss) as s:
        s.sendall(data)
        deadline = time.monotonic() + TIMEOUT
        while _unacknowledged(s) and time.monotonic() < deadline:
            select.select([s], [], [], 0.001)
    assert received == [data]


def _unacknowledged(sock: socket.socket) -> int:
    """Quantos bytes enviados o outro lado ainda não reconheceu (tcp(7), SIOCOUTQ)."""
    answer = fcntl.ioctl(sock, termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])


def server_closes(net: Network) -> None:
    """O servidor diz a que veio e fecha primeiro."""
    with net.serving(lambda conn: conn.sendall("até logo".encode())), net.connect() as s:
        assert receive(s).decode() == "até logo"


def refused(net: Network) -> None:
    try:
        net.connect().close()
    except ConnectionRefusedError:
        return
    raise AssertionError("alguém escuta nessa porta")


ORDERED = b"".join(letter * 100 for letter in (b"A", b"B", b"C", b"D", b"E"))
RECORDINGS: dict[str, tuple[Callable[[Network], None], Callable[[], Rule]]] = {
    "conversa": (lambda net: talk(net, "olá", "tchau"), lambda: untouched),
    "perda": (
        lambda net: talk(net, "um", "dois", "três"),
        lambda: nth(2, client_data, lose),
    ),
    "ordem": (lambda net: silent(net, ORDERED, MSS), lambda: nth(2, client_data, lose)),
    "ack_perdido": (lambda net: silent(net, b"oi"), lambda: nth(1, server_ack, lose)),
    "syn_perdido": (lambda net: talk(net, "oi"), lambda: nth(1, client_syn, lose)),
    "dano": (lambda net: talk(net, "um", "dois"), lambda: nth(2, client_data, spoil)),
    "recusada": (refused, lambda: untouched),
    "servidor_fecha": (server_closes, lambda: untouched),
}


def record(folder: Path) -> None:
    """Grava todas as conversas, sempre em máquinas novas: cada uma até sair duas vezes igual."""
    for name, (conversation, rule) in RECORDINGS.items():
        before = None
        for _ in range(ATTEMPTS):
            with network(rule()) as net:
                conversation(net)
            net.wire.save(folder / name)
            now = shape(folder / name)
            if now == before:
                break
            before = now
        else:
            raise AssertionError(f"{name}: {ATTEMPTS} gravações, nunca duas seguidas iguais")


def hurry() -> None:
    """Passa à frente dos outros programas, se o sistema deixa: um fio que atrasa faz o TCP repetir.

    Fonte: sched(7).
    """
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


if __name__ == "__main__":
    hurry()
    record(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
