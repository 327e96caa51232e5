"""O diagrama de sequência: o que os sockets fizeram, enquanto o fazem."""

from __future__ import annotations

import threading
from typing import Any

import anywidget
import traitlets

from echo_lib.cell import close_on_rerun
from echo_lib.panels import still
from echo_lib.panels.assets import script, style
from echo_lib.panels.scene import Record, Scene
from echo_lib.trace import Event, Trace

PERIOD = 0.05  # segundos entre atualizações da página: no máximo 20 por segundo
BATCH = 500  # chamadas por atualização: o kernel não fica preso montando uma só mensagem


class SequenceDiagram(anywidget.AnyWidget):
    """Diagrama de sequência, ao vivo, das chamadas que um rastro grava.

    Argumentos:
        trace: o Trace a desenhar; pode continuar gravando.

    Erros:
        TypeError: `trace` não é um Trace.

    Vários diagramas podem mostrar o mesmo rastro. Uma thread de fundo lê o rastro e manda à página
    só o que é novo; ela acaba com close(), ou quando a célula roda de novo.
    """

    _esm = script("sequence")
    _css = style("sequence")

    early = traitlets.Dict().tag(sync=True)

    def __init__(self, trace: Trace) -> None:
        if not isinstance(trace, Trace):
            raise TypeError(f"esperava um Trace; recebi {trace!r}. Use: with Trace() as rastro: …")
        super().__init__()
        self.trace = trace
        self._stopping = threading.Event()
        self._asked = threading.Event()  # a página abriu, e quer tudo desde o começo
        self._restart()
        self.on_msg(self._on_command)
        self._pump = threading.Thread(target=self._run, name="SequenceDiagram", daemon=True)
        self._pump.start()
        close_on_rerun(self.close)

    def __repr__(self) -> str:
        return "SequenceDiagram()"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """O que se mostra: o diagrama vivo e, para quem lê sem kernel, o mesmo, parado."""
        return still.mimebundle(super()._repr_mimebundle_(**kwargs), "image/svg+xml", self.svg())

    def svg(self, connection: int | None = None) -> str:
        """O diagrama parado, com o que o rastro tem agora.

        Argumentos:
            connection: só desta conexão; se omitido, de todas.

        Retorna:
            str, um documento SVG.
        """
        events = self.trace.events()
        chosen = [e for e in events if connection is None or e.connection in (None, connection)]
        return still.svg(chosen, skipped=self.trace.dropped)

    def close(self) -> None:
        """Para de atualizar e fecha o diagrama. Pode ser chamado mais de uma vez."""
        self._stopping.set()
        super().close()

    def _restart(self) -> None:
        self._scene = Scene()
        self._read = 0

    def _on_command(self, widget: Any, content: dict[str, Any], buffers: Any) -> None:
        match content:
            case {"command": "hello"}:
                self._asked.set()
            case {"command": "export", "connection": int() | None as connection}:
                self.send({"svg": self.svg(connection)})

    # Daqui para baixo, tudo roda na thread do diagrama.

    def _run(self) -> None:
        watched = False
        while not self._stopping.wait(PERIOD):
            if self._asked.is_set():
                self._asked.clear()
                self._restart()
                self.send({"limit": self.trace.limit})
                watched = True
            if watched:
                if update := self._update():
                    self.send(update)
            elif len(events := self.trace.events()[:BATCH]) > self._read:
                # A página só é ouvida quando a célula acaba; até lá, o estado leva o começo.
                self._read = len(events)
                self.early = {**Scene().add(events), "dropped": self.trace.dropped}

    def _update(self) -> Record | None:
        """As chamadas novas, como registros do desenho."""
        new = sorted(self.trace.events(after=self._read), key=_number)[:BATCH]
        if not new:
            return None
        self._read = new[-1].number
        records: Record = self._scene.add(sorted(new, key=lambda event: event.time))
        return {**records, "dropped": self.trace.dropped}


def _number(event: Event) -> int:
    return event.number
