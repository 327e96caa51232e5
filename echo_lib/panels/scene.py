"""De eventos a um desenho: linhas de vida, linhas do diagrama e as setas entre elas.

Sem pixels e sem ipywidgets: quem desenha é sequence.js, na página, e still.py, no papel. Cada
pedaço tem um `id`; mandá-lo de novo substitui o anterior, porque às vezes só um evento posterior
diz aonde a seta chega.
"""

import socket
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from echo_lib.errors import counted, printable, whole_letters
from echo_lib.trace import RECEIVES, SENDS, Event

SHOWN_BYTES = 256  # de cada chamada, o começo; os últimos TAIL_BYTES, se couberam no rastro
TAIL_BYTES = 64
OUTSIDE = "fora deste rastro"
_LABEL = 24  # caracteres da prévia sobre uma seta
_PENDING = 1000  # trechos à espera da outra ponta, por sentido; a de fora do rastro nunca chega
_STRAY = 20  # e enquanto a outra ponta está fora do rastro: só se a linha dela vier em seguida
_LINES = 5000  # linhas de vida lembradas
_SHUTDOWN = {socket.SHUT_RD: "SHUT_RD", socket.SHUT_WR: "SHUT_WR", socket.SHUT_RDWR: "SHUT_RDWR"}

Record = dict[str, Any]
_CUT = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
OTHER = {"server": "client", "client": "server"}  # a outra ponta
LINK = ("id", "from", "to", "source", "target", "kind", "label")  # os campos de uma seta


class _Part(NamedTuple):
    """Um envio ou um recebimento: a posição no fluxo, o tamanho e o começo dos bytes."""

    number: int
    offset: int
    size: int
    data: bytes


@dataclass(slots=True)
class _Flow:
    """Um sentido de uma conexão: o que foi enviado e o que foi recebido, por posição no fluxo."""

    source: str  # as linhas de vida de quem envia e de quem recebe
    target: str
    sent: deque[_Part] = field(default_factory=lambda: deque(maxlen=_PENDING))
    received: deque[_Part] = field(default_factory=lambda: deque(maxlen=_PENDING))
    sent_to: int = 0
    received_to: int = 0
    known: bool = True  # falso depois de uma lacuna no rastro: as posições já não se sabem
    last: Event | None = None  # o shutdown ou close que acabou o envio
    end: Event | None = None  # o recv que devolveu b""
    cut: bool = False  # quem envia soube de um RST: o close dele já não manda nada


class Scene:
    """Transforma eventos, à medida que vêm, em linhas de vida, linhas e setas.

    Os números das conexões e dos sockets são os do rastro: duas cenas do mesmo rastro coincidem.
    """

    NAME = "chamada"  # o que é uma linha do diagrama
    COLUMN = (116, 170)  # pixels de uma linha de vida no desenho parado: se há muitas, e o máximo

    def __init__(self) -> None:
        self._start: float | None = None
        self._lines: dict[str, Record] = {}
        self._of_socket: dict[int, str] = {}
        self._listening: dict[tuple[str, int], str] = {}
        self._listeners = 0
        self._waited: tuple[str, str] | None = None
        self._waiting: Record = {}
        self._waits = 0
        self._trying: dict[int, Record] = {}  # conexões que ainda podem ser recusadas
        self._flows: dict[str, _Flow] = {}
        self._over: dict[str, None] = {}  # as linhas de vida sem mais eventos, na ordem
        self._changed: dict[str, dict[str, Record]] = {}

    def add(self, events: Iterable[Event]) -> dict[str, list[Record]]:
        """Acrescenta eventos, em ordem de tempo.

        Retorna:
            dict com "lines" (linhas de vida), "rows" e "links" novos ou mudados.
        """
        self._changed = {"lines": {}, "rows": {}, "links": {}}
        for event in events:
            self._row(event)
        return {name: list(records.values()) for name, records in self._changed.items()}

    def _put(self, kind: str, record: Record) -> None:
        self._changed[kind][record["id"]] = record

    def _row(self, event: Event) -> None:
        if self._start is None:
            self._start = event.time
        line = self._line(event)
        kind, result = _outcome(event)
        waited = (line, event.call) if kind in ("timeout", "pending") else None
        if waited and waited == self._waited:  # a mesma espera, de novo: uma linha só
            self._waits += 1
            self._put("rows", {**self._waiting, "result": f"{result}, {self._waits} vezes"})
            return
        row = {
            "id": event.number,
            "time": event.time - self._start,
            "duration": event.duration,
            "line": line,
            "connection": event.connection,
            "call": call_text(event),
            "result": result,
            "kind": kind,
            "local": address_text(event.local),
            "peer": address_text(event.peer),
            **_bytes(event),
        }
        self._waited, self._waiting, self._waits = waited, row, 1
        self._put("rows", row)
        self._links(event, line)

    # --- linhas de vida ---

    def _line(self, event: Event) -> str:
        """A linha de vida do socket do evento, criada ou completada se preciso."""
        known = self._of_socket.get(event.socket)
        if event.call == "accept" or event.connection is None:
            line = known or f"s{event.socket}"
            kind = _kind(event, self._lines.get(line, {}).get("kind", "socket"))
            if event.call == "accept" and event.connection is not None:
                kind = "listener"
                self._end(event, "server")
            self._know(line, event, kind, None, event.local)
        else:
            line = self._end(event, event.role, known)
        self._of_socket[event.socket] = line
        if event.local and event.error is None:
            if event.call in ("bind", "listen"):  # só com bind, recusa: mas é ele quem recusa
                self._listening[event.local[:2]] = line
            elif event.call == "close" and self._listening.get(event.local[:2]) == line:
                del self._listening[event.local[:2]]
        if event.call == "close" and event.connection is None:
            self._over[line] = None
        return line

    def _end(self, event: Event, role: str, known: str | None = None) -> str:
        """A linha de uma ponta da conexão; a outra ponta entra como suposta até aparecer."""
        number, other = event.connection, OTHER[role]
        line = f"{number}{role}"
        if known and known != line:  # o socket já tinha linha antes de conectar
            self._put("lines", {"id": line, "same": known})
            line = known
        self._know(line, event, role, number, event.local)
        ghost = f"{number}{other}"
        if ghost not in self._lines:
            waits = other == "server" and self._listener(event.peer)
            note = "na fila, sem accept" if waits else OUTSIDE
            self._know(ghost, event, other, number, event.peer, note)
        return line

    def _know(
        self,
        line: str,
        event: Event,
        kind: str,
        connection: int | None,
        address: Any,
        note: str = "",
    ) -> None:
        old = self._lines.get(line, {})
        first = old.get("order") or self._order(event, kind, connection)
        new = {
            "id": line,
            "order": first,
            "kind": kind,
            "name": old["name"] if old.get("kind") == kind else self._name(kind, connection, event),
            "ghost": bool(note),
            "note": note or address_text(address) or old.get("note", ""),
        }
        if new != old:
            self._lines[line] = new
            self._put("lines", new)
            while len(self._lines) > _LINES:  # as que acabaram já não têm o que receber
                oldest = next(iter(self._over or self._lines))
                self._over.pop(oldest, None)
                self._lines.pop(oldest, None)

    def _name(self, kind: str, connection: int | None, event: Event) -> str:
        if kind == "listener":
            self._listeners += 1
            return "escuta" if self._listeners == 1 else f"escuta {self._listeners}"
        if kind == "nobody":
            return address_text(event.argument) or "?"
        names = {"server": f"conn {connection}", "client": f"cliente {connection or ''}".strip()}
        return names.get(kind, f"socket {event.socket}")

    def _order(self, event: Event, kind: str, connection: int | None) -> list[int]:
        """Da esquerda para a direita: quem apareceu antes; as pontas de uma conexão, juntas."""
        side = {"nobody": -1, "server": 1, "client": 2}.get(kind, 0)
        other = self._lines.get(f"{connection}{OTHER.get(kind)}")
        return [other["order"][0] if other and side else event.number, side]

    # --- setas ---

    def _links(self, event: Event, line: str) -> None:
        if event.call.startswith("connect"):
            self._connect(event, line)
        elif event.connection is None or not self._completed(event):
            return
        elif event.call == "accept":
            number, target = event.number, f"{event.connection}server"
            self._link(f"a{number}", number, number, line, target, "accept", "")
        else:
            self._flow_links(event)

    def _link(self, *values: object) -> None:
        self._put("links", dict(zip(LINK, values, strict=True)))

    def _listener(self, address: Any) -> str | None:
        """A linha de quem escuta neste endereço, se é deste rastro."""
        match address:
            case (str(host), int(port), *_):
                places = ((host, port), ("0.0.0.0", port), ("::", port))
                return next((self._listening[p] for p in places if p in self._listening), None)
        return None

    def _connect(self, event: Event, line: str) -> None:
        """O handshake (RFC 9293, seção 3.5), ou o pedido que não teve sucesso."""
        kinds = {type(None): "handshake", ConnectionRefusedError: "refused", TimeoutError: "lost"}
        kind = kinds.get(type(event.error))
        if isinstance(event.error, BlockingIOError):
            kind = "pending"
        if kind is None:  # o erro é do próprio pedido: nada saiu desta máquina
            return
        listener = self._listener(event.peer or event.argument)
        target = listener or (f"{event.connection}server" if event.connection else None)
        if target is None:
            target = f"n{event.number}"
            note = "ninguém escuta" if kind == "refused" else "sem resposta"
            self._know(target, event, "nobody", None, event.argument, note)
            self._over[target] = None
        name = f"h{event.number}"
        self._link(name, event.number, event.number, line, target, kind, "")
        if kind == "pending" and event.connection is not None:
            self._trying[event.connection] = self._changed["links"][name]

    def _completed(self, event: Event) -> bool:
        """Se a conexão se completou; a que não esperou só se sabe pelo que vem depois."""
        if event.connection not in self._trying:
            return True
        if event.error is not None or event.call not in SENDS | RECEIVES | {"accept"}:
            if event.call == "close":
                del self._trying[event.connection]
            return False
        self._put("links", {**self._trying.pop(event.connection), "kind": "handshake"})
        return True

    def _flow_links(self, event: Event) -> None:
        """Liga cada envio aos recv que o receberam: são as mesmas posições do fluxo de bytes."""
        out, back = self._flow(event, event.role), self._flow(event, OTHER[event.role])
        if isinstance(event.error, _CUT):
            out.cut = True
        if event.size and (event.sends or event.receives):
            self._carry(out if event.sends else back, event)
        elif event.receives and _ends(event):
            back.end = back.end or event
            self._end_link(back, out)
        elif event.call == "close" or (event.call == "shutdown" and event.argument):
            if out.last is None and event.error is None:
                out.last = event
                if not out.cut and not _answers_rst(back, out):
                    self._end_link(out, back)
            if event.call == "close":
                self._forget(event)

    def _carry(self, flow: _Flow, event: Event) -> None:
        """Bytes enviados ou recebidos: a seta solta e, se já há a outra ponta, a inteira."""
        part = _Part(event.number, event.offset or 0, event.size, event.data)
        sent, received = (part, None) if event.sends else (None, part)
        self._data_link(flow, sent, received, 0, event.size)
        flow.known = flow.known and event.offset is not None
        if not flow.known:
            return
        waiting = flow.sent if event.sends else flow.received
        waiting.append(part)
        if event.sends:
            flow.sent_to = part.offset + part.size
        else:
            flow.received_to = part.offset + part.size
        if len(waiting) > _STRAY and self._alone(event):
            waiting.popleft()
        self._match(flow)

    def _flow(self, event: Event, role: str) -> _Flow:
        """O que uma ponta da conexão do evento envia."""
        source, target = f"{event.connection}{role}", f"{event.connection}{OTHER[role]}"
        if source not in self._flows:
            self._flows[source] = _Flow(source, target)
        return self._flows[source]

    def _forget(self, event: Event) -> None:
        """Depois que as duas pontas fecharam, a conexão não terá mais setas."""
        flows = [self._flow(event, role) for role in OTHER]
        if self._alone(event) or all(flow.last for flow in flows):
            for flow in flows:
                del self._flows[flow.source]
                self._over[flow.source] = None
        self._of_socket.pop(event.socket, None)

    def _alone(self, event: Event) -> bool:
        """Se a outra ponta desta conexão não está no rastro."""
        other = f"{event.connection}{OTHER[event.role]}"
        return bool(self._lines.get(other, {}).get("note") == OUTSIDE)

    def _match(self, flow: _Flow) -> None:
        """Emite uma seta para cada trecho que um envio e um recv têm em comum."""
        while flow.sent and flow.received:
            sent, received = flow.sent[0], flow.received[0]
            end_a, end_b = sent.offset + sent.size, received.offset + received.size
            start, end = max(sent.offset, received.offset), min(end_a, end_b)
            if start < end:
                skipped = start - sent.offset
                self._data_link(flow, sent, received, skipped, end - start)
            if end_a <= end_b:
                flow.sent.popleft()
            if end_b <= end_a:
                flow.received.popleft()

    def _data_link(
        self, flow: _Flow, sent: _Part | None, received: _Part | None, skipped: int, size: int
    ) -> None:
        """A seta de `size` bytes a partir do byte `skipped` do envio.

        Até se conhecer a outra ponta, o envio tem uma seta solta (d…) e o recv, outra (r…).
        """
        part = sent or received
        assert part is not None
        name = f"d{sent.number}" if sent else f"r{part.number}"
        if sent and received:
            name += f"-{received.number}" if skipped else ""
            self._put("links", {"id": f"r{received.number}", "gone": True})
        label = counted(size, "byte") if size == part.size else f"{size} de {part.size} bytes"
        if text := printable(part.data[skipped : skipped + size][: _LABEL * 4]):
            label += f" “{text[:_LABEL]}{'…' if len(text) > _LABEL else ''}”"
        ends = sent and sent.number, received and received.number
        self._link(name, *ends, flow.source, flow.target, "data", label)

    def _end_link(self, flow: _Flow, back: _Flow) -> None:
        """O fim de um sentido: FIN, ou RST se quem fecha deixou bytes por ler.

        Fonte: RFC 9293, seções 3.6 e 3.10.4; RFC 1122, seção 4.2.2.13.
        """
        reset = flow.end.error is not None if flow.end else _answers_rst(flow, back)
        start, end = (event.number if event else None for event in (flow.last, flow.end))
        label = "RST" if reset else "FIN"
        self._link(f"f{flow.source}", start, end, flow.source, flow.target, "fin", label)


def _answers_rst(flow: _Flow, back: _Flow) -> bool:
    """Se quem envia `flow` fechou com bytes de `back` por ler: já no buffer, ou vindos depois."""
    unread = back.known and back.sent_to > back.received_to
    return flow.last is not None and flow.last.call == "close" and unread


def _kind(event: Event, before: str) -> str:
    """O papel de um socket sem conexão: quem escuta, quem tentou conectar, ou ainda não se sabe."""
    if event.role == "listener":
        return "listener"
    return "client" if event.call.startswith("connect") else before


def _ends(event: Event) -> bool:
    """Se este recv mostrou que o outro lado acabou: devolveu b"", ou a conexão foi cortada."""
    if event.error is not None:
        return isinstance(event.error, ConnectionResetError)
    size = event.argument[0] if isinstance(event.argument, tuple) else event.argument
    return bool(size)  # recv(0) devolve b"" sem que nada tenha acabado


def call_text(event: Event) -> str:
    """A chamada como se escreve em Python."""
    if event.sends and event.error is None:
        more = "…" if event.size > _LABEL else ""
        return f"{event.call}({event.data[:_LABEL]!r}{more})"
    argument = event.argument
    if event.call == "shutdown" and isinstance(argument, int):
        argument = _SHUTDOWN.get(argument, argument)
    if isinstance(argument, tuple) and event.call in RECEIVES:
        flags = "MSG_PEEK" if argument[1] == socket.MSG_PEEK else argument[1]
        return f"{event.call}({argument[0]}, {flags})"
    return f"{event.call}({'' if argument is None else printable(str(argument))})"


def _outcome(event: Event) -> tuple[str, str]:
    """O tipo da linha e o que a chamada devolveu ou lançou."""
    name = type(event.error).__name__
    if isinstance(event.error, BlockingIOError):
        return "pending", f"{name}: ainda não"
    if isinstance(event.error, TimeoutError) and event.call in RECEIVES | {"accept"}:
        return "timeout", f"{name}: o prazo acabou"
    if event.error is not None:
        said = event.error.strerror if isinstance(event.error, OSError) else None
        return "error", f"{name}: {printable(said or str(event.error))}"
    if event.call == "accept":
        return "accept", f"conn {event.connection}, de {address_text(event.peer)}"
    if event.sends:  # só send devolve algo: quantos bytes aceitou
        delivered = " entregue ao sistema" if event.size == 1 else " entregues ao sistema"
        return "send", counted(event.size, "byte") + ("" if event.call == "send" else delivered)
    if event.call in RECEIVES:
        if not event.size and _ends(event):
            return "end", "b'' (fim)"
        return "recv", counted(event.size, "byte")
    return event.call, ""


def _bytes(event: Event) -> Record:
    """Os bytes da chamada: todos, se poucos; senão o começo e, se o rastro o tem, o fim."""
    data, size = event.data, event.size
    if size <= SHOWN_BYTES + TAIL_BYTES:
        parts = [(0, data)] if data else []
    else:
        parts = [(0, data[:SHOWN_BYTES])]
        if len(data) == size:
            parts.append((size - TAIL_BYTES, data[-TAIL_BYTES:]))
    return {"size": size, "bytes": [_part(at, part, size) for at, part in parts]}


def _part(at: int, part: bytes, size: int) -> Record:
    text = whole_letters(part, before=at > 0, after=at + len(part) < size)
    return {"at": at, "hex": part.hex(), "text": printable(text)}


def address_text(address: Any) -> str:
    """host:porta, com os colchetes do IPv6 (RFC 3986, seção 3.2.2)."""
    if not isinstance(address, tuple) or len(address) < 2:
        return ""
    host, port = address[:2]
    return printable(f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}")
