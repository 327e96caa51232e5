"""De uma captura ao mesmo desenho: as linhas de vida das duas pontas, e uma seta por segmento."""

from collections.abc import Iterable

from echo_lib.capture import SIDES, Segment
from echo_lib.errors import counted, milliseconds, printable
from echo_lib.panels.scene import LINK, OTHER, Record, address_text

_LETTERS = 8  # dos dados, sobre a seta
_ROLES = dict(zip(SIDES, ("client", "server"), strict=True))


class SegmentScene:
    """Transforma segmentos em registros do desenho, como Scene faz com as chamadas.

    Cada segmento é uma linha do diagrama e uma seta, que acaba no meio do caminho se ele se perdeu.
    """

    NAME = "segmento"
    COLUMN = (260, 260)  # pixels: os rótulos são mais longos que os das chamadas

    def __init__(self) -> None:
        self._known: set[int] = set()

    def add(self, segments: Iterable[Segment]) -> Record:
        """Acrescenta segmentos, em ordem; devolve "lines", "rows" e "links" novos."""
        update: Record = {"lines": [], "rows": [], "links": [], "what": "segments"}
        for segment in segments:
            if segment.connection not in self._known:
                self._known.add(segment.connection)
                update["lines"] += [_lifeline(segment, side) for side in SIDES]
            update["rows"].append(_row(segment))
            update["links"].append(_link(segment))
        return update


def _lifeline(segment: Segment, side: str) -> Record:
    role = _ROLES[side]
    end = segment.source if segment.sender == side else segment.target
    return {
        "id": f"{segment.connection}{role}",
        "order": [segment.number, SIDES.index(side)],
        "kind": role,
        "name": side if segment.connection == 1 else f"{side} {segment.connection}",
        "ghost": False,
        "note": address_text(end),
    }


def _row(segment: Segment) -> Record:
    shown = [{"at": 0, "hex": segment.data.hex(), "text": printable(segment.data)}]
    notes = f"{segment.notes}; " if segment.notes else ""  # na frente: a lista pode ser estreita
    return {
        "id": segment.number,
        "time": segment.time,
        "line": f"{segment.connection}{_ROLES[segment.sender]}",
        "connection": segment.connection,
        "call": str(segment),
        "result": f"[{segment.number - 1}] {notes}aos {milliseconds(segment.time)}",
        "kind": _kind(segment),
        "facts": _facts(segment),
        "size": segment.size,
        "bytes": shown if segment.data else [],
    }


def _kind(segment: Segment) -> str:
    return "missing" if segment.lost else "damaged" if segment.damaged else "segment"


def _link(segment: Segment) -> Record:
    source = _ROLES[segment.sender]
    ends = f"{segment.connection}{source}", f"{segment.connection}{OTHER[source]}"
    number, label = segment.number, segment.label(_LETTERS)
    values = (f"p{number}", number, number, *ends, _kind(segment), label)
    return dict(zip(LINK, values, strict=True))


def _facts(segment: Segment) -> list[tuple[str, str]]:
    """Os campos do segmento, pelos nomes que a lição usa."""
    when = segment.arrival
    return [  # os que ficam vazios não aparecem
        ("De", f"{segment.sender}, {address_text(segment.source)}"),
        ("Para", address_text(segment.target)),
        ("Flags", " ".join(segment.flags)),
        ("seq", f"{segment.seq}; o próximo é {segment.end}"),
        ("ack", str(segment.ack) if "ACK" in segment.flags else ""),
        ("Janela", "" if segment.window is None else counted(segment.window, "byte")),
        ("Saiu", f"aos {milliseconds(segment.time)} da captura"),
        ("Chegou", "" if when is None else f"aos {milliseconds(when)}"),
        ("O que houve", segment.notes),
    ]
