"""O diagrama parado, em SVG: para o notebook lido sem kernel, a impressão e a exportação."""

from collections.abc import Sequence
from html import escape
from typing import Any

from echo_lib.capture import Segment
from echo_lib.errors import counted
from echo_lib.panels.scene import OUTSIDE, Record, Scene
from echo_lib.panels.segments import SegmentScene
from echo_lib.trace import Event

_Place = tuple[float, float, float, float]  # de onde e para onde: x, y, x, y
_REPEATS = 10  # por linha desenhada, quantas chamadas se olham
_SEGMENTS = ("segment", "missing", "damaged")  # o que chegou, o que não, o que chegou estragado
ROWS = 60  # chamadas desenhadas; das demais se diz quantas são
_TEXT, _HEAD, _ROW, _TALL = 340, 62, 44, 84  # pixels
_ROOM = 920  # pixels da saída de uma célula, numa tela de 1366
_COLORS = {
    "server": "#5b2a86",
    "client": "#0b57a4",
    "listener": "#00594c",
    "socket": "#444444",
    "nobody": "#444444",
}
_SIGNS = {  # os das formas, como na página
    "error": "◆ ",
    "timeout": "○ ",
    "pending": "○ ",
    "missing": "✗ ",
    "damaged": "✗ ",
}
_STYLE = (
    "text{font:14px system-ui,sans-serif;fill:#111}.code{font:13px ui-monospace,monospace}"
    ".name{font-weight:600}.small{font-size:12px;fill:#444}.bad{fill:#b00020;font-weight:600}"
    ".label{font-size:12px;paint-order:stroke;stroke:#fff;stroke-width:4px}"
    "path{stroke-width:2}.system{stroke-dasharray:6 4}.life{stroke:#999;stroke-width:1.5}"
)


def svg(
    events: Sequence[Event] | Sequence[Segment],
    *,
    skipped: int = 0,
    last: int | None = None,
    scene: type[Scene] | type[SegmentScene] | None = None,
) -> str:
    """Desenha os eventos de um rastro, ou os segmentos de uma captura.

    Argumentos:
        events: em ordem de tempo.
        skipped: quantos, anteriores a estes, já não estão no rastro.
        last: desenhar só os mais novos, até este número; se omitido, os primeiros 60. Dos demais
            se diz quantos são.
        scene: quem os transforma em registros do desenho; se omitido, vê-se pelo primeiro.

    Retorna:
        str, um documento SVG que não busca nada fora dele.
    """
    if scene is None:
        scene = SegmentScene if events and isinstance(events[0], Segment) else Scene
    if last is None:
        return _Still(events, skipped, ROWS, scene()).draw()
    return _Still(events[-last:], skipped + max(0, len(events) - last), last, scene()).draw()


class _Still:
    """As posições de um desenho: uma coluna por linha de vida, uma faixa por chamada."""

    def __init__(self, events: Sequence[Any], skipped: int, rows: int, scene: Any) -> None:
        records = scene.add(events[: rows * _REPEATS])  # repetidos são uma linha só
        self.name = scene.NAME
        self.rows = records["rows"][:rows]
        drawn = {row["id"] for row in self.rows}
        found = [link for link in records["links"] if not link.get("gone")]
        self.links = [_cut(link, drawn) for link in found if {link["from"], link["to"]} & drawn]
        known = {line["id"]: line for line in records["lines"]}
        self.line = {name: known[line.get("same", name)] for name, line in known.items()}
        names = [row["line"] for row in self.rows]
        names += [link[end] for link in self.links for end in ("source", "target")]
        used = {self.line[name]["id"]: self.line[name] for name in names}
        self.lines = sorted(used.values(), key=lambda line: tuple(line["order"]))
        self.column = self._width(*scene.COLUMN)
        self.x = {e["id"]: _TEXT + self.column * (i + 0.5) for i, e in enumerate(self.lines)}
        tall = {k["from"] for k in self.links if k["kind"] == "handshake"}
        self.y: dict[int, float] = {}
        y = float(_HEAD)
        for row in self.rows:
            height = _TALL if row["id"] in tall else _ROW
            self.y[row["id"]] = y + height / 2
            y += height
        self.bottom = y
        rest = len(records["rows"]) - len(self.rows) + max(0, len(events) - rows * _REPEATS)
        notes = [(skipped, "antes destas"), (rest, "depois destas")]
        self.notes = [f"… e mais {counted(n, self.name)} {what}" for n, what in notes if n > 0]
        self.out: list[str] = []
        self.labels: list[str] = []  # por cima das setas

    def draw(self) -> str:
        for line in self.lines:
            self._lifeline(line)
        for row in self.rows:
            self._row(row)
        for link in self.links:
            self._link(link)
        for i, note in enumerate(self.notes):
            self._text(8, self.bottom + 20 * (i + 1), note, "small")
        width = _TEXT + self.column * max(1, len(self.lines))
        height = self.bottom + 20 * len(self.notes) + 14
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" '
            f'width="{width}" height="{height:g}" role="img">'
            f"<title>Diagrama de sequência: {counted(len(self.rows), self.name)}</title>"
            f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
            f"{''.join(self.out + self.labels)}</svg>"
        )

    def _width(self, narrow: int, wide: int) -> int:
        """Os pixels de cada linha de vida: que caibam todas, e que o endereço de cada uma caiba."""
        longest = max((len(line["note"]) for line in self.lines if not line["ghost"]), default=0)
        room = (_ROOM - _TEXT) // max(1, len(self.lines))
        return min(wide, max(narrow, room, 7 * longest))

    def _text(self, x: float, y: float, text: str, style: str = "", anchor: str = "start") -> None:
        layer = self.labels if style == "label" else self.out
        attributes = f'class="{style}" text-anchor="{anchor}"'
        layer.append(f'<text x="{x:g}" y="{y:g}" {attributes}>{escape(text)}</text>')

    def _path(self, points: str, color: str, style: str = "") -> None:
        self.out.append(f'<path d="{points}" fill="none" stroke="{color}" class="{style}"/>')

    def _lifeline(self, line: Record) -> None:
        x = self.x[line["id"]]
        self._text(x, 20, line["name"], "name", "middle")
        self._text(x, 38, line["note"], "small", "middle")
        own = [row for row in self.rows if self.line[row["line"]] is line]
        met = [k for k in self.links if line["id"] in (k["source"], k["target"])]
        met = [k for k in met if line["ghost"] or k["kind"] in ("accept", *_SEGMENTS)]
        rows = [row["id"] for row in own]
        rows += [k[end] for k in met for end in ("from", "to") if k[end]]
        closed = own and own[-1]["kind"] == "close"
        top = min((self.y[row] for row in rows), default=_HEAD)
        bottom = self.y[own[-1]["id"]] if closed else self.bottom
        style = "life system" if line["ghost"] else "life"
        self._path(f"M{x:g} {top:g}V{bottom:g}", "#999", style)

    def _row(self, row: Record) -> None:
        y, line = self.y[row["id"]], self.line[row["line"]]
        style = "bad" if row["kind"] in ("error", "missing", "damaged") else "small"
        mark = _SIGNS.get(row["kind"], "")
        self._text(8, y - 4, short(f"{line['name']}: {row['call']}", 40), "code")
        self._text(8, y + 13, short(f"{mark}{row['result']}", 50), style)
        x, color = self.x[line["id"]], _COLORS[line["kind"]]
        if row["kind"] == "close":
            self._path(f"M{x - 6:g} {y - 6:g}l12 12m0 -12l-12 12", color)
        elif row["kind"] == "error":
            self.out.append(f'<path d="M{x:g} {y - 9:g}l9 9l-9 9l-9 -9z" fill="#b00020"/>')
        elif row["kind"] in ("timeout", "pending"):
            circle = f'<circle cx="{x:g}" cy="{y:g}" r="5" fill="#fff" stroke="{color}"/>'
            self.out.append(circle)
        else:
            self.out.append(f'<circle cx="{x:g}" cy="{y:g}" r="4" fill="{color}"/>')

    def _link(self, link: Record) -> None:
        start, end = link["from"] or link["to"], link["to"] or link["from"]
        y1, y2 = self.y[start], self.y[end]
        source, target = self.line[link["source"]], self.line[link["target"]]
        x1, x2, color = self.x[source["id"]], self.x[target["id"]], _COLORS[source["kind"]]
        if link["kind"] in _SEGMENTS:
            self._segment(link, x1, x2, y1, color)
        elif link["kind"] == "handshake":
            for i, name in enumerate(("SYN", "SYN + ACK", "ACK")):
                a, b = (x2, x1) if i == 1 else (x1, x2)
                self._arrow((a, y1 - 26 + 26 * i, b, y1 - 18 + 26 * i), "#444", "system", name)
        elif link["kind"] == "lost":  # não chegou a ninguém
            self._arrow((x1, y1, (x1 + x2) / 2, y1), "#b00020", "system", "SYN… sem resposta ✗")
        elif link["kind"] in ("refused", "pending"):
            self._arrow((x1, y1 - 8, x2, y1 - 4), "#444", "system", "SYN")
            if link["kind"] == "refused":
                self._arrow((x2, y1 + 10, x1, y1 + 14), "#b00020", "system", "RST ✗")
        elif link["kind"] == "accept":
            self._arrow((x1, y1, x2, y2), color, "system", "conexão pronta")
        else:
            half = (x1 + x2) / 2  # solta: vai até o meio, ou até a linha de quem está fora
            start_x = x1 if link["from"] or source["note"] == OUTSIDE else half
            end_x = x2 if link["to"] or target["note"] == OUTSIDE else half
            style = "" if link["from"] and link["to"] and link["kind"] == "data" else "system"
            merged = sum(k["to"] == end and k["kind"] == "data" for k in self.links) > 1
            at = y1 if merged else y2
            self._arrow((start_x, y1, end_x, y2), color, style, link["label"], at)

    def _segment(self, link: Record, x1: float, x2: float, y: float, color: str) -> None:
        """A seta de um segmento; a do que se perdeu acaba, com um ✗, no meio do caminho."""
        missing, bad = link["kind"] == "missing", link["kind"] != "segment"
        end = (x1 + x2) / 2 if missing else x2
        self._arrow((x1, y, end, y + (7 if missing else 14)), "#b00020" if bad else color, "", "")
        if missing:
            self._path(f"M{end - 6:g} {y + 1:g}l12 12m0 -12l-12 12", "#b00020")
        label = f"{link['label']} ✗" if bad else link["label"]
        self._text((x1 + x2) / 2, y - 5, label, "label", "middle")

    def _arrow(self, place: _Place, color: str, style: str, label: str, at: float = 0) -> None:
        """Uma seta, com a ponta no fim e o rótulo no meio, na altura `at` ou na da chegada."""
        x1, y1, x2, y2 = place
        back = -9 if x2 > x1 else 9
        self._path(f"M{x1:g} {y1:g}L{x2:g} {y2:g}", color, style)
        self._path(f"M{x2 + back:g} {y2 - 5:g}L{x2:g} {y2:g}l{back} 5", color)
        self._text((x1 + x2) / 2, (at or y2) - 6, short(label, 26), "label", "middle")


def _cut(link: Record, drawn: set[int]) -> Record:
    """A seta, solta da ponta que ficou de fora do desenho."""
    return {**link, **{end: link[end] if link[end] in drawn else None for end in ("from", "to")}}


def short(text: str, most: int) -> str:
    """O começo de um texto que não cabe inteiro."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
