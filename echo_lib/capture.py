"""Capturas: os segmentos TCP que passaram pela rede, gravados num arquivo pcap ou ao vivo.

Só leitura: nada aqui envia pacotes. O scapy, que lê os arquivos, só é importado quando usado.
"""

import socket
import struct
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from threading import Condition
from threading import Event as Flag
from typing import Any, NamedTuple

from echo_lib.errors import Address, Explanation, counted, milliseconds, printable, valid_port

MOST = 10_000  # pacotes lidos de um arquivo, ou guardados ao vivo
SIDES = ("cliente", "servidor")
FLAGS = {"S": "SYN", "F": "FIN", "R": "RST", "A": "ACK"}
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_SETTLE = 2.0  # segundos, no máximo, à espera dos últimos pacotes
_GOODBYE = 0.5  # segundos, no máximo, à espera do FIN de quem ainda não fechou o seu lado


class CaptureError(RuntimeError):
    """O arquivo não é uma captura, ou esta máquina não deixa capturar."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Um segmento TCP. `seq` e `ack` são relativos: 0 é o número do SYN de cada lado.

    `time` e `arrival` são segundos desde o primeiro segmento da captura; `arrival` é None se ele
    não chegou, ou se a captura, feita de uma ponta só, não o diz: só o primeiro caso é `lost`.
    `window` são os bytes que o remetente ainda aceita; None sem os dois SYN, que combinam a unidade
    (RFC 7323, seção 2.2).
    """

    number: int  # 1, 2, 3… na ordem em que saíram
    time: float
    arrival: float | None
    connection: int
    sender: str  # "cliente" ou "servidor"
    source: Address
    target: Address
    flags: tuple[str, ...]  # de "SYN", "FIN", "RST", "ACK"
    seq: int
    ack: int
    window: int | None
    data: bytes
    again: bool = False  # algo dele já tinha sido enviado: uma retransmissão
    lost: bool = False  # saiu e não chegou
    damaged: bool = False  # chegou com a soma de verificação errada

    @property
    def size(self) -> int:
        """Quantos bytes de dados leva."""
        return len(self.data)

    @property
    def end(self) -> int:
        """O número do byte seguinte: SYN e FIN contam como um byte cada (RFC 9293, seção 3.4)."""
        return self.seq + self.size + ("SYN" in self.flags) + ("FIN" in self.flags)

    def label(self, letters: int = 0) -> str:
        """O segmento em poucas palavras, com até `letters` letras dos seus dados."""
        kinds = [flag for flag in self.flags if flag != "ACK"]
        if self.data:
            text = printable(self.data[: 4 * letters + 4])
            shown = text if len(text) <= letters else f"{text[: letters // 2]}…"
            more = f" “{shown}”" if letters else ""
            kinds.insert(0, f"{counted(self.size, 'byte')}{more}")
        elif "ACK" in self.flags and kinds in ([], ["SYN"]):
            kinds.append("ACK")
        text = " + ".join(kinds)
        if self.end > self.seq:
            text += f" seq={self.seq}"
        if kinds and kinds[-1] == "ACK":
            text += f" ack={self.ack}"
        return f"{text}, de novo" if self.again else text

    __str__ = label

    @property
    def notes(self) -> str:
        """O que houve com ele, em palavras; "" se chegou, como quase todos."""
        found = [(self.again, "retransmissão"), (self.lost, "não chegou")]
        found += [(self.damaged, "chegou estragado, descartado")]
        return ", ".join(text for holds, text in found if holds)


class Capture(Sequence[Segment]):
    """Os segmentos de uma captura, em ordem de saída; lê-se como uma lista.

    Argumentos:
        segments: os Segment.
    """

    dropped = 0  # como num Trace: SequenceDiagram lê um e outro do mesmo jeito

    def __init__(self, segments: Iterable[Segment] = ()) -> None:
        self.segments = tuple(segments)

    @property
    def limit(self) -> int:
        return max(1, len(self.segments))

    def events(self, after: int = 0, most: int | None = None) -> list[Segment]:
        """Os segmentos de `number` maior que `after`, no máximo `most`."""
        return [segment for segment in self.segments if segment.number > after][:most]

    def __len__(self) -> int:
        return len(self.segments)

    def __getitem__(self, place: Any) -> Any:
        found = self.segments[place]
        return Capture(found) if isinstance(place, slice) else found

    def __str__(self) -> str:
        return "\n".join(map(_line, self.segments))

    def __repr__(self) -> str:
        return f"Capture({len(self)} segmentos)"


def read(path: str | Path) -> Capture:
    """Lê uma captura.

    Argumentos:
        path: um arquivo pcap ou pcapng (do Wireshark, do tcpdump), ou uma pasta com duas capturas
            da mesma conversa, `cliente.pcap` e `servidor.pcap`, uma de cada ponta. Só com as
            duas se sabe o que se perdeu no caminho.

    Retorna:
        Capture: os segmentos TCP sobre IPv4 dos primeiros 10.000 pacotes de cada arquivo; o resto
            é deixado de lado, e um aviso diz se há mais.

    Erros:
        FileNotFoundError: não há esse arquivo.
        CaptureError: não é uma captura, ou as duas são de conversas diferentes.

    Fonte: RFC 9293, seção 3.1; scapy.readthedocs.io (rdpcap).
    """
    path = Path(path)
    files = [path / f"{side}.pcap" for side in SIDES] if path.is_dir() else [path]
    loaded = [*map(_load, files)]
    ways = [{(packet.source, packet.target) for packet in packets} for packets in loaded]
    if all(ways) and not set.intersection(*ways):
        raise CaptureError(
            f"esperava em {str(path)!r} duas capturas da mesma conversa; nenhum segmento de uma é "
            "entre os endereços da outra."
        )
    return Capture(_segments(*loaded))


@contextmanager
def live(port: int) -> Iterator[Capture]:
    """Captura, dentro do `with`, o que passa por uma porta de 127.0.0.1.

    Argumentos:
        port: a porta, de um lado ou do outro.

    Retorna:
        Capture, vazia até o fim do `with`. É de uma ponta só: não diz o que se perdeu.

    Erros:
        CaptureError: esta máquina não deixa; diz o que falta e o que fazer.
        ValueError: a porta não é uma.

    Fonte: packet(7) do Linux (CAP_NET_RAW); npcap.com/guide; scapy.readthedocs.io (AsyncSniffer).
    """
    port = valid_port(port, least=1)
    _load_scapy()
    from scapy.config import conf
    from scapy.sendrecv import AsyncSniffer

    try:
        opened = conf.L2listen(iface=conf.loopback_name, promisc=False)
    except Exception as error:  # cada sistema recusa com uma exceção diferente
        raise CaptureError(_refused(error)) from error
    started, drained, result = Flag(), Flag(), Capture()
    found: list[_Packet] = []
    half_closed: dict[frozenset[Address], Address] = {}  # entre quem, e quem já disse adeus
    changed = Condition()
    mark = _untraced()  # o que a captura faz não é da conversa de ninguém
    mark.bind(("127.0.0.1", 0))
    mark.listen()
    with suppress(OSError):  # BlockingIOError, quando a fila acaba
        _only(opened, port, mark.getsockname()[1])

    def keep(packet: Any) -> None:
        packet = _packet(packet)
        if packet and packet.target == mark.getsockname():
            drained.set()
        elif packet and port in (packet.source[1], packet.target[1]) and len(found) < MOST:
            found.append(packet)
            with changed:
                _note_goodbye(half_closed, packet)
                changed.notify()

    sniffer = AsyncSniffer(
        opened_socket=opened, store=False, prn=keep, started_callback=started.set
    )
    sniffer.start()
    try:
        started.wait(_SETTLE)
        yield result
        _drain(mark, drained)
        with changed:  # o outro lado fecha noutra thread, talvez depois do with
            waited = bool(half_closed)
            changed.wait_for(lambda: not half_closed, _GOODBYE)
        if waited:  # e falta o ACK do último FIN
            drained.clear()
            _drain(mark, drained)
    finally:
        if sniffer.running:
            sniffer.stop()
        opened.close()
        mark.close()
    result.segments = tuple(_segments(_as_seen(found)))


def _only(opened: Any, port: int, other: int) -> None:
    """No Linux, deixa na fila só o TCP destas duas portas.

    A fila é curta, e no loopback passa também a conversa do próprio notebook: sem filtro, ela enche
    e os segmentos que se queria ver se perdem. Fonte: bpf(4); socket(7), SO_ATTACH_FILTER.
    """
    if sys.platform != "linux":
        return
    import ctypes

    program = [  # operação, salto se sim, salto se não, valor
        (0x30, 0, 0, 0xFFFFF004),  # SKF_AD_PKTTYPE, linux/filter.h
        (0x15, 11, 0, 4),  # PACKET_OUTGOING? No loopback, o mesmo pacote ainda vai entrar
        (0x28, 0, 0, 12),  # o tipo do quadro
        (0x15, 0, 9, 0x0800),  # é IPv4?
        (0x30, 0, 0, 23),  # o protocolo
        (0x15, 0, 7, socket.IPPROTO_TCP),
        (0xB1, 0, 0, 14),  # x = tamanho do cabeçalho IP
        (0x48, 0, 0, 14),  # a porta de origem
        (0x15, 5, 0, port),
        (0x15, 4, 0, other),
        (0x48, 0, 0, 16),  # a de destino
        (0x15, 2, 0, port),
        (0x15, 1, 0, other),
        (0x06, 0, 0, 0),  # descarta
        (0x06, 0, 0, 0x40000),  # guarda inteiro
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    kept = ctypes.create_string_buffer(code)
    pair = struct.pack("HP", len(program), ctypes.addressof(kept))
    opened.ins.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pair)
    while opened.ins.recv(1, socket.MSG_DONTWAIT):  # o que já estava na fila, antes do filtro
        pass


def _note_goodbye(half_closed: dict[frozenset[Address], Address], packet: "_Packet") -> None:
    """Anota um FIN ou um RST: a conversa acaba com o segundo FIN, ou com o RST."""
    ends = frozenset((packet.source, packet.target))
    second = "F" in packet.flags and half_closed.get(ends, packet.source) != packet.source
    if second or "R" in packet.flags:
        half_closed.pop(ends, None)
    elif "F" in packet.flags:
        half_closed[ends] = packet.source


def _drain(mark: socket.SocketType, seen: Flag) -> None:
    """Espera que tudo o que já passou seja lido: conecta a `mark`, e o SYN vem depois do resto."""
    with suppress(OSError), closing(_untraced()) as client:
        client.settimeout(_SETTLE)
        client.connect(mark.getsockname())
        seen.wait(_SETTLE)


def _untraced() -> socket.SocketType:
    """Um socket TCP comum, mesmo dentro de um rastro."""
    return socket.SocketType(socket.AF_INET, socket.SOCK_STREAM)


def _refused(error: Exception) -> str:
    """Por que não se pode capturar nesta máquina, e o que fazer."""
    needs = {
        "linux": "ser root, ou ter a permissão CAP_NET_RAW",
        "darwin": "ser administrador (sudo), para ler /dev/bpf",
        "win32": "ter o Npcap (npcap.com), com a captura do loopback",
    }
    said = printable(str(error)) or type(error).__name__
    return str(
        Explanation(
            f"esta máquina não deixa este programa capturar pacotes ({said}).",
            f"falta {needs.get(sys.platform, 'permissão do sistema')}. É assim de propósito: "
            "quem captura vê o que os outros programas enviam.",
            "use as capturas gravadas, como capture.read('capturas/conversa'), ou peça a quem "
            "administra a máquina.",
        )
    )


# --- de pacotes a segmentos ---


class _Packet(NamedTuple):
    """O que se usa de um pacote, com os números do TCP como vieram."""

    time: float
    source: Address
    target: Address
    flags: str
    seq: int
    ack: int
    window: int
    data: bytes
    mark: int  # a identificação do IP: muda a cada envio
    sound: bool  # se a soma de verificação confere
    scale: int | None  # num SYN, a unidade da janela dos seguintes: 2 a essa potência

    @property
    def key(self) -> tuple[Any, ...]:
        """O mesmo nas duas pontas, mesmo se os dados se estragaram no caminho."""
        return (*self[1:6], len(self.data), self.mark)

    @property
    def opens(self) -> bool:
        """Se pede uma conexão; o pedido pode trazer também ECE e CWR (RFC 3168, seção 6.1.1)."""
        return "S" in self.flags and "A" not in self.flags


def _load_scapy() -> None:
    """Carrega o scapy, que avisa o que falta para enviar; aqui só se lê."""
    import logging

    logging.getLogger("scapy").setLevel(logging.ERROR)
    import scapy.layers.inet  # noqa: F401  ensina ao scapy o que há num quadro


def _load(file: Path) -> list[_Packet]:
    if not file.is_file():
        saved = ", ".join(sorted(folder.name for folder in Path("capturas").glob("*/")))
        there = f". Na pasta capturas há: {saved}" if saved else ""
        raise FileNotFoundError(
            f"esperava uma captura em {str(file)!r}; esse arquivo não existe{there}"
        )
    _load_scapy()
    from scapy.error import Scapy_Exception
    from scapy.utils import rdpcap

    try:
        with file.open("rb") as opened:
            packets = rdpcap(opened, count=MOST + 1)
    except (Scapy_Exception, EOFError) as error:
        raise CaptureError(
            f"esperava uma captura (pcap ou pcapng) em {str(file)!r}; o scapy não a soube ler: "
            f"{printable(str(error))}"
        ) from error
    if len(packets) > MOST:
        warnings.warn(
            f"de {str(file)!r} só se leem os {MOST} primeiros pacotes, e há mais: no Wireshark, "
            "filtre a conversa (tcp.port == 61840) e a exporte.",
            stacklevel=3,  # a linha de quem chamou read
        )
    return [found for packet in packets[:MOST] if (found := _packet(packet))]


def _packet(packet: Any) -> _Packet | None:
    """O que se usa de um pacote do scapy; None se não é TCP sobre IPv4."""
    from scapy.layers.inet import IP, TCP

    if IP not in packet or TCP not in packet[IP]:
        return None
    ip, tcp = packet[IP], packet[TCP]
    length = ip.len or len(bytes(ip))  # é 0 quando quem corta o segmento é a placa (offload)
    size = max(0, length - 4 * ip.ihl - 4 * tcp.dataofs)  # a Ethernet completa os curtos
    return _Packet(
        float(packet.time),
        (ip.src, tcp.sport),
        (ip.dst, tcp.dport),
        str(tcp.flags),
        tcp.seq,
        tcp.ack,
        tcp.window,
        bytes(tcp.payload)[:size],
        ip.id,
        _sound(ip),
        # No máximo 14 (RFC 7323, seção 2.3). Com um tamanho errado, o scapy dá os bytes.
        next(
            (min(n, 14) for what, n in tcp.options if what == "WScale" and isinstance(n, int)), None
        ),
    )


def _sound(ip: Any) -> bool:
    """Se a soma do TCP, com a que veio no segmento, dá zero (RFC 9293, seção 3.1)."""
    from scapy.layers.inet import in4_chksum

    # Sem tamanho, a placa ainda vai cortar o segmento e somar cada parte.
    data = bytes(ip.payload)[: (ip.len or 0) - 4 * ip.ihl]
    return not ip.len or in4_chksum(socket.IPPROTO_TCP, ip, data) == 0


def _segments(client: list[_Packet], server: list[_Packet] | None = None) -> Iterator[Segment]:
    """Os segmentos, do que se viu na ponta do cliente (ou na única) e na do servidor."""
    if server is None:
        left: list[tuple[_Packet, _Packet | None]] = [(packet, packet) for packet in client]
    else:
        clients = _clients(client + server)
        left = _matched(
            [p for p in client if p.source in clients] + [p for p in server if p.target in clients],
            [p for p in client if p.target in clients] + [p for p in server if p.source in clients],
        )
    left.sort(key=lambda pair: pair[0].time)
    start, two = left[0][0].time if left else 0.0, server is not None
    talks: dict[frozenset[Address], _Talk] = {}
    count = 0
    for number, (packet, arrived) in enumerate(left, 1):
        ends = frozenset((packet.source, packet.target))
        if ends not in talks or talks[ends].is_over(packet):
            count += 1
            talks[ends] = _Talk(packet, count)
        segment = talks[ends].segment(number, packet, packet.time - start)
        yield replace(
            segment,
            again=talks[ends].again(segment),
            arrival=arrived.time - start if arrived and two else None,
            lost=arrived is None,
            damaged=bool(two and arrived and not arrived.sound),
        )


def _as_seen(packets: list[_Packet]) -> list[_Packet]:
    """Os pacotes na ordem em que passaram, com horas que não a desmentem.

    O Linux só marca a hora algum tempo depois de alguém a pedir; até lá, vale aquela em que o
    pacote foi lido, às vezes depois da dos seguintes. Fonte: net/socket.c, __sock_recv_timestamp.
    """
    times = [*accumulate((packet.time for packet in reversed(packets)), min)]
    return [packet._replace(time=time) for packet, time in zip(packets, times[::-1], strict=True)]


def _clients(packets: list[_Packet]) -> set[Address]:
    """Quem pediu cada conexão; sem o pedido na captura, quem falou primeiro."""
    asked = {packet.source for packet in packets if packet.opens}
    first = {min(packets, key=lambda packet: packet.time).source} if packets else set()
    return asked or first


def _matched(left: list[_Packet], arrived: list[_Packet]) -> list[tuple[_Packet, _Packet | None]]:
    """Cada pacote que saiu, com o mesmo quando chegou, ou None.

    De trás para a frente: se um igual foi enviado de novo, o que chegou depois é o segundo.
    """
    waiting = defaultdict(list)
    for packet in sorted(arrived, key=lambda packet: packet.time):
        waiting[packet.key].append(packet)
    pairs: list[tuple[_Packet, _Packet | None]] = []
    for packet in sorted(left, key=lambda packet: packet.time, reverse=True):
        found = waiting[packet.key]
        same = found.pop() if found and found[-1].time >= packet.time else None
        pairs.append((packet, same))
    return pairs


class _Talk:
    """Uma conexão: quem é o cliente, o número inicial de cada lado, e o que já foi enviado."""

    def __init__(self, first: _Packet, number: int) -> None:
        answer = "S" in first.flags and "A" in first.flags
        self.client = first.target if answer else first.source
        self.number = number
        self._first = {first.source: first.seq} if "S" in first.flags else {}
        self._base: dict[Address, int] = {}
        self._scales: dict[Address, int | None] = {}
        self._sent: dict[Address, list[tuple[int, int]]] = defaultdict(list)

    def is_over(self, packet: _Packet) -> bool:
        """Se o pacote já é de outra conexão, entre as mesmas portas."""
        first = self._first.setdefault(packet.source, packet.seq)
        return packet.opens and packet.seq != first

    def _window(self, packet: _Packet) -> int | None:
        """Em bytes; a de um SYN já vem assim, e só há outra unidade se os dois lados a disserem."""
        if "S" in packet.flags:
            self._scales[packet.source] = packet.scale
            return packet.window
        if len(self._scales) < 2:
            return None
        agreed = None not in self._scales.values()
        return packet.window << (self._scales[packet.source] or 0) if agreed else packet.window

    def segment(self, number: int, packet: _Packet, time: float) -> Segment:
        seq = self._relative(packet.source, packet.seq, "S" not in packet.flags)
        ack = self._relative(packet.target, packet.ack, True) if "A" in packet.flags else 0
        return Segment(
            number,
            time,
            None,
            self.number,
            "cliente" if packet.source == self.client else "servidor",
            packet.source,
            packet.target,
            tuple(name for letter, name in FLAGS.items() if letter in packet.flags),
            seq,
            ack,
            self._window(packet),
            packet.data,
        )

    def _relative(self, end: Address, number: int, after_syn: bool) -> int:
        """O número contado a partir do SYN; sem ele na captura, o primeiro que se vê é o 1."""
        base = self._base.setdefault(end, number - after_syn)
        distance = (number - base) % 2**32
        return distance - 2**32 if distance > 2**31 else distance

    def again(self, segment: Segment) -> bool:
        """Se algo deste segmento já tinha sido enviado; guarda o trecho."""
        sent, first, last = self._sent[segment.source], segment.seq, segment.end
        if first == last:
            return False
        again = any(first < old_last and old_first < last for old_first, old_last in sent)
        if sent and sent[-1][1] == first:
            sent[-1] = (sent[-1][0], last)
        else:
            sent.append((first, last))
        return again


def _line(segment: Segment) -> str:
    """Uma linha da lista: o índice do segmento na captura, quando saiu, e o que leva."""
    arrow = "→" if segment.sender == "cliente" else "←"
    when = milliseconds(segment.time)
    notes = f"  ({segment.notes})" if segment.notes else ""
    return f"{segment.number - 1:>3} {when:>11}  cliente {arrow} servidor  {segment}{notes}"
