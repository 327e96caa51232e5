"""O que os painéis de servidor têm em comum: uma thread que olha o servidor e faz o que pedem."""

import queue
import threading
from collections.abc import Callable
from time import sleep
from typing import Any

import traitlets

from echo_lib.panels.assets import Panel
from echo_lib.panels.sequence import PERIOD
from echo_lib.server import EchoServer

_FAILED = "Não deu certo."


class PolledPanel(Panel):
    """Um painel que mostra o estado de um servidor, olhado 20 vezes por segundo.

    Uma thread faz o que os botões pedem e leva à página, numa só mensagem, o que mudou: o kernel
    nunca espera. close() encerra o painel, e só ele. Rodar a célula de novo encerra o anterior.
    """

    _closed = False
    _turn = threading.RLock()  # ninguém atualiza um painel enquanto ele é encerrado

    notice = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, server: EchoServer) -> None:
        self.server = server
        self._said: tuple[list[str], object] = [], None  # o aviso, e a situação em que foi dado
        self._work: queue.SimpleQueue[Callable[[], str]] = queue.SimpleQueue()
        super().__init__(**self._picture())
        self.on_msg(self._on_command)
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Encerra o painel, não o servidor. Pode ser chamado mais de uma vez."""
        self._closed = True
        if self.comm is not None:
            with self._turn:
                super().close()

    def _on_command(self, widget: Any, content: Any, buffers: Any) -> None:
        """Um clique na página."""

    def _picture(self) -> dict[str, Any]:
        """O servidor agora, como valores dos traços."""
        lines, then = self._said
        if self._situation() != then:  # o que já não vale não fica, nem volta
            lines = []
            self._said = lines, None
        return {"notice": lines}

    def _situation(self) -> object:
        """O que, mudando, torna velho um aviso."""
        return self.server.running

    # Daqui para baixo, tudo roda na thread do painel.

    def _run(self) -> None:
        while not self._closed:
            sleep(PERIOD)
            while not (self._closed or self._work.empty()):
                self._do(self._work.get())
            try:
                self._refresh()
            except Exception as error:  # o sistema não respondeu; na próxima vez, talvez
                self._said = [_FAILED, str(error)], self._situation()

    def _do(self, work: Callable[[], str]) -> None:
        """Faz o que um botão pediu e guarda o aviso: o que foi feito, ou por que não deu."""
        try:
            lines = [text] if (text := work()) else self._said[0]
        except Exception as error:  # start() traz a explicação como nota
            notes = getattr(error, "__notes__", []) or [str(error)]
            lines = [_FAILED, *"\n".join(notes).splitlines()]
        self._said = lines, self._situation()

    def _refresh(self) -> None:
        """Leva à página, numa só mensagem, o que mudou."""
        with self._turn, self.hold_sync():
            if not self._closed:
                for name, value in self._picture().items():
                    self.set_trait(name, value)  # o que não mudou não é enviado
