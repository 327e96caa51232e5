"""O diagrama de sequência: o que os sockets fizeram, enquanto o fazem."""

import threading
from typing import Any, ClassVar

import traitlets

from echo_lib.capture import Capture, Segment
from echo_lib.cell import close_on_rerun
from echo_lib.errors import Address, valid_address
from echo_lib.panels import still
from echo_lib.panels.assets import Panel
from echo_lib.panels.scene import Record, Scene
from echo_lib.panels.segments import SegmentScene
from echo_lib.trace import Event, Trace

PERIOD = 0.05  # segundos entre atualizações da página: no máximo 20 por segundo
BATCH = 200  # chamadas por atualização, de todos os diagramas juntos: o kernel continua livre
EARLY = 500  # chamadas que a página recebe antes de ser ouvida
EXPORTED = 500  # chamadas de um SVG exportado, as mais novas


class SequenceDiagram(Panel, asset="sequence"):
    """Diagrama de sequência, ao vivo, das chamadas que um rastro grava; ou de uma captura.

    Argumentos:
        trace: o Trace a desenhar, que pode continuar gravando, ou uma Capture.
        peer: só as conexões com este host, ou com este par (host, porta); se omitido, todas.

    Erros:
        TypeError: `trace` não é um Trace nem uma Capture.
        ValueError: `peer` não é um host, nem um par.

    Vários diagramas podem mostrar o mesmo rastro. Uma thread de fundo lê o rastro e manda à página
    só o que é novo; ela acaba com close(), ou quando a célula roda de novo.
    """

    _mime = "image/svg+xml"
    _busy: ClassVar[set[int]] = set()  # os diagramas que têm o que mandar

    early = traitlets.Dict().tag(sync=True)

    def __init__(self, trace: Trace | Capture, peer: str | Address | None = None) -> None:
        self._stopping = threading.Event()  # close() o usa, mesmo se o que vem abaixo falhar
        if not isinstance(trace, Trace | Capture):
            raise TypeError(
                f"esperava um Trace ou uma captura; recebi {trace!r}. Use: with Trace() as "
                "rastro: …; ou, de uma gravada, capture.read('capturas/conversa')."
            )
        self._peer = _valid_peer(peer)
        super().__init__()
        self.trace = trace
        self._new_scene = SegmentScene if isinstance(trace, Capture) else Scene
        self._asked = threading.Event()  # a página abriu, e quer tudo desde o começo
        self._watched = False
        self._restart()
        self.on_msg(self._on_command)
        close_on_rerun(self.close)  # antes da thread: a célula pode ser parada enquanto ela começa
        self._pump = threading.Thread(target=self._run, name="SequenceDiagram", daemon=True)
        self._pump.start()

    def __repr__(self) -> str:
        return "SequenceDiagram()"

    def _still(self) -> str:
        return self.svg()

    def svg(self, connection: int | None = None, most: int | None = None) -> str:
        """O diagrama parado, com o que o rastro tem agora.

        Argumentos:
            connection: só desta conexão; se omitido, de todas.
            most: só as chamadas mais novas, até este número; se omitido, as primeiras 60.

        Retorna:
            str, um documento SVG.
        """
        events = self._chosen(self.trace.events())
        chosen = [e for e in events if connection is None or e.connection in (None, connection)]
        return still.svg(chosen, skipped=self.trace.dropped, last=most, scene=self._new_scene)

    def close(self) -> None:
        """Para de atualizar e fecha o diagrama. Pode ser chamado mais de uma vez."""
        self._stopping.set()
        super().close()

    def _chosen(self, events: list[Any]) -> list[Any]:
        """Destes eventos, os da outra ponta pedida; o que não tem outra ponta, como bind, fica."""
        if self._peer is None:
            return events
        return [e for e in events if not _peers(e) or self._peer in _peers(e)]

    def _restart(self) -> None:
        self._scene = self._new_scene()
        self._read = 0

    def _on_command(self, widget: Any, content: dict[str, Any], buffers: Any) -> None:
        match content:
            case {"command": "hello"}:
                self._asked.set()
            case {"command": "export", "connection": int() | None as connection}:
                self.send({"svg": self.svg(connection, EXPORTED)})

    # Daqui para baixo, tudo roda na thread do diagrama.

    def _run(self) -> None:
        while not self._stopping.wait(PERIOD):
            try:
                self._tick()
            except Exception as error:  # a página diz o que houve, e o diagrama continua
                self.send({"failed": f"{type(error).__name__}: {error}"})
        self._busy.discard(id(self))

    def _tick(self) -> None:
        if self._asked.is_set():
            self._asked.clear()
            self._restart()
            self.send({"limit": self.trace.limit})
            self._watched = True
        if self._watched:
            if update := self._update():
                self.send(update)
        elif self._read < EARLY and len(events := self.trace.events(most=EARLY)) > self._read:
            # A página só é ouvida quando a célula acaba; até lá, o estado leva o começo.
            self._read = len(events)
            self.early = {
                **self._new_scene().add(self._chosen(events)),
                "dropped": self.trace.dropped,
            }

    def _update(self) -> Record | None:
        """As chamadas novas, como registros do desenho; a vez é dividida com outros diagramas."""
        share = max(20, BATCH // max(1, len(self._busy | {id(self)})))
        new = self.trace.events(after=self._read, most=share)
        (self._busy.add if new else self._busy.discard)(id(self))
        if not new:
            return None
        self._read = max(event.number for event in new)
        return {**self._scene.add(self._chosen(new)), "dropped": self.trace.dropped}


def _valid_peer(peer: Any) -> str | Address | None:
    if peer is None:
        return None
    pair = isinstance(peer, tuple) and len(peer) == 2
    return valid_address(*peer) if pair else valid_address(peer, 0)[0]


def _peers(event: Event | Segment) -> tuple[Any, ...]:
    """As outras pontas, cada uma também só pelo host."""
    ends = (event.source, event.target) if isinstance(event, Segment) else (event.peer,)
    return tuple(name for end in ends if end for name in (end, end[0]))
