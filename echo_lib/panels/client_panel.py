"""O cliente de eco numa célula: campos, botões e o passo a passo de cada mensagem."""

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any

import anywidget
import traitlets

from echo_lib.cell import close_on_rerun
from echo_lib.client import EchoClient
from echo_lib.errors import (
    CLOSED_PANEL,
    counted,
    explain,
    milliseconds,
    printable,
    valid_address,
    valid_port,
    valid_text,
)
from echo_lib.network import diagnose, discover, lan_address
from echo_lib.panels.assets import Panel
from echo_lib.panels.sequence import PERIOD, SequenceDiagram
from echo_lib.trace import Event, Trace

_NOBODY = [
    "Nenhum servidor se anunciou. Isso é comum: muitas redes não deixam passar anúncios, e o "
    "servidor.py do tutorial não se anuncia.",
    "Próximo passo: digite o endereço e a porta que o professor ou o colega mostra.",
]
_NO_NETWORK = [
    "Esta máquina está sem rede (não tem endereço IPv4): não há onde procurar.",
    "Próximo passo: ligue o Wi-Fi ou o cabo, e procure de novo.",
]
_KEPT = 100  # entradas do histórico
_SHOWN_BYTES = 32  # bytes mostrados de cada chamada
_SHOWN_TEXT = 200  # caracteres mostrados de cada mensagem
_SHOWN_STEPS = 12  # passos mostrados de cada mensagem
_PACED = {"history", "notice", "said", "state"}  # os traços que mudam a cada mensagem

Step = dict[str, str]  # uma linha do histórico: a chamada, o resultado e o tempo


class _Port(traitlets.Int[int, int]):
    """Uma porta, que se recusa em português."""

    def validate(self, obj: Any, value: Any) -> int:
        return valid_port(value)


class ClientPanel(Panel, asset="client_panel"):
    """Painel de um cliente de eco: conectar, enviar mensagens, ver passos, bytes e diagrama.

    Argumentos:
        host, port: o que aparece nos campos; podem ser mudados ali.
        timeout: segundos que cada operação pode levar.
        trace: o Trace onde gravar a conversa; se omitido, o painel tem o seu, em `trace`.

    Erros:
        ValueError: host, porta ou prazo inválido.

    A rede é sempre usada fora da thread principal, por uma thread que acaba com o painel: o kernel
    nunca espera. Rodar a célula de novo encerra o painel anterior.
    """

    _client = EchoClient()  # de antes da primeira conexão: nunca conectou

    host = traitlets.Unicode().tag(sync=True)
    port = _Port().tag(sync=True)
    state = traitlets.Unicode("desconectado").tag(sync=True)
    notice = traitlets.Unicode().tag(sync=True)
    said = traitlets.Int().tag(sync=True)  # cresce também quando o aviso é o mesmo de antes
    unsent = traitlets.Unicode().tag(sync=True)
    history = traitlets.List(traitlets.Dict()).tag(sync=True)
    found: traitlets.List[Any] = traitlets.List().tag(sync=True)
    diagnosis = traitlets.List(traitlets.Unicode()).tag(sync=True)
    asking = traitlets.Unicode().tag(sync=True)
    diagram = anywidget.WidgetTrait().tag(sync=True)

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 61840,
        *,
        timeout: float = 5.0,
        trace: Trace | None = None,
    ) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        host, port = EchoClient(host, port, timeout=timeout).address  # confere os três
        self.trace = trace or Trace()
        self._paced = threading.RLock()
        self._late: set[str] | None = None  # o que a página ainda não sabe; None: sabe tudo
        super().__init__(host=host, port=port, diagram=SequenceDiagram(self.trace))
        self._timeout = timeout
        self._seen = 0  # até que evento do rastro o histórico já mostrou
        self._closed = False
        self.on_msg(self._on_command)
        close_on_rerun(self.close)
        threading.Thread(target=self._run, name="ClientPanel", daemon=True).start()

    def __repr__(self) -> str:
        return f"ClientPanel(host={self.host!r}, port={self.port})"

    def _still(self) -> str:
        return "<p><b>Cliente de eco</b>: execute esta célula para usar o painel.</p>"

    def connect(self) -> None:
        """Conecta ao que o painel mostra, em segundo plano; `state` e `notice` dizem o fim.

        Erros:
            ValueError: o painel foi encerrado.
        """
        self._later(lambda: self._connect(self.host, self.port))

    def send_message(self, text: str) -> None:
        """Envia uma mensagem em segundo plano; "sair" encerra a conversa, como no tutorial.

        Argumentos:
            text: a mensagem.

        Erros:
            TypeError: a mensagem não é texto.
            ValueError: o painel foi encerrado.
        """
        valid_text(text)
        self._later(lambda: self._exchange(text))

    def _later(self, work: Callable[[], None]) -> None:
        if self._closed:
            raise ValueError(CLOSED_PANEL)
        self._work.put(work)

    def disconnect(self) -> None:
        """Encerra a conversa em segundo plano, depois do que já foi pedido; o histórico fica."""
        self._work.put(self._disconnect)

    def close(self) -> None:
        """Encerra a conversa e o painel. Pode ser chamado mais de uma vez."""
        self._closed = True
        self._work.put(None)
        self._client.close()
        if self.diagram:
            self.diagram.close()
        super().close()

    def send_state(self, key: str | Iterable[str] | None = None) -> None:
        """Leva à página o que mudou; o histórico, o aviso e o estado, até 20 vezes por segundo.

        O histórico vai sempre inteiro: com muitas mensagens seguidas, seriam muitos MiB.
        """
        names = {key} if isinstance(key, str) else {*(key or ())}
        with self._paced:
            if names and names <= _PACED:
                if self._late is not None:
                    return self._late.update(names)
                self._wait_for_more()
            super().send_state(key)

    def _wait_for_more(self) -> None:
        self._late = set()
        timer = threading.Timer(PERIOD, self._send_late)
        timer.name, timer.daemon = "ClientPanel, atualização", True
        timer.start()

    def _send_late(self) -> None:
        with self._paced:
            late, self._late = self._late, None
            if late and not self._closed:
                self.send_state(late)

    def _on_command(self, widget: Any, content: dict[str, Any], buffers: Any) -> None:
        """Um clique ou um Enter na página."""
        match content:
            case {"command": "connect", "host": str(host), "port": str(port)}:
                self._work.put(lambda: self._connect(host, port))
            case {"command": "send", "text": str(text)}:
                self.send_message(text)
            case {"command": "disconnect"}:
                if self.state == "enviando":
                    self._client.close()  # quem clica não espera uma resposta que não vem
                    self._work.put(lambda: self._say(self.notice, "desconectado"))
                else:
                    self.disconnect()
            case {"command": "diagnose", "host": str(host), "port": str(port)}:
                target = host or self.host, port
                asking = "Diagnosticando {}:{}…".format(*target)
                self._ask(asking, lambda: self._diagnose(*target))
            case {"command": "search"}:
                self._ask("Procurando na rede…", self._search)

    def _ask(self, asking: str, work: Callable[[], None]) -> None:
        """Pergunta à rede numa thread à parte: a conversa não espera. Uma pergunta por vez."""
        with self._paced:  # duas abas podem pedir ao mesmo tempo
            if self.asking or self._closed:
                return
            self.asking = asking
        threading.Thread(target=self._answer, args=(work,), name="ClientPanel", daemon=True).start()

    def _answer(self, work: Callable[[], None]) -> None:
        self.diagnosis = []
        try:
            work()
        except Exception as error:  # um endereço sem sentido, ou o que não se previu
            self.diagnosis = [_sentence(error)]
        self.asking = ""

    def _diagnose(self, host: str, port: int | str) -> None:
        self.diagnosis = str(diagnose(host, port, self._timeout)).splitlines()

    def _search(self) -> None:
        servers = discover()
        self.found = [[name, *address] for name, address in servers]
        if servers:
            what = "um servidor" if len(servers) == 1 else f"{len(servers)} servidores"
            self.diagnosis = [f"Achei {what}: escolha abaixo a que conectar."]
        else:
            self.diagnosis = _NOBODY if lan_address() else _NO_NETWORK

    # Daqui para baixo, tudo roda na thread do painel.

    def _run(self) -> None:
        """Faz o que põem na fila, até o painel ser encerrado."""
        self._steps()  # o que outra thread, já acabada, gravou com a nossa identidade
        while (work := self._work.get()) and not self._closed:
            try:
                work()
            except Exception as error:  # o painel mostra até o que não previu, e continua
                self._fail("Erro", error)

    def _connect(self, host: str, port: int | str) -> None:
        if self._client.connected:
            return self._say(f"Você já está conectado a {self.host}:{self.port}.")
        try:
            self.host, self.port = valid_address(host, port, least=1)
        except ValueError as error:
            return self._say(_sentence(error))
        self._say(f"Conectando a {self.host}:{self.port}…", "conectando")
        client = EchoClient(self.host, self.port, timeout=self._timeout, trace=self.trace)
        try:
            client.connect()
        except (OSError, UnicodeError) as error:
            return self._fail("Conectar", error)
        self._client = client
        self.diagnosis = []  # o que se disse antes já não vale
        if self._closed:  # o painel foi encerrado enquanto conectava
            return client.close()
        self._log("Conectar", self._steps(), f"Conectado a {self.host}:{self.port}.", "conectado")

    def _exchange(self, text: str) -> None:
        if not self._client.connected:
            self._keep(text)
            return self._say("Você ainda não está conectado. Clique em Conectar e envie de novo.")
        if text == "sair":
            return self._disconnect("sair")
        if not text:
            return self._say("Uma mensagem vazia não tem bytes: nada viajaria. Escreva algo.")
        self._say("Enviando…", "enviando")
        self.unsent = ""
        steps = []
        try:
            steps.append(_timed("mensagem.encode()", lambda: _bytes(text.encode())))
            echo = self._client.send(text)
        except (OSError, UnicodeError) as error:
            self._keep(text)
            return self._fail(text, error, steps)
        data = echo.encode()
        decoding = _timed("dados.decode()", lambda: f"{_text(data.decode())} ({_bytes(data)})")
        steps += [*self._steps(), decoding]
        self._log(text, steps, "O eco voltou inteiro.", "conectado")

    def _disconnect(self, title: str = "Desconectar") -> None:
        if not self._client.connected:
            return self._say("Você já está desconectado.", "desconectado")
        self._client.close()
        self._log(title, self._steps(), "Conversa encerrada.", "desconectado")

    def _steps(self) -> list[Step]:
        """As chamadas desta thread que ainda não foram ao histórico; o rastro pode ter outras."""
        new = self.trace.events(after=self._seen)
        self._seen = max((event.number for event in new), default=self._seen)
        return [_step(event) for event in new if event.thread == threading.get_ident()]

    def _keep(self, text: str) -> None:
        """Guarda a mensagem que não foi; meio emoji não cabe no JSON que vai à página."""
        self.unsent = ""  # a página só sabe do que muda
        self.unsent = text.encode(errors="replace").decode()

    def _fail(self, title: str, error: Exception, before: Sequence[Step] = ()) -> None:
        """Põe no histórico até onde se chegou e por que parou."""
        state = "conectado" if self._client.connected else "desconectado"
        said = str(explain(error, (self.host, self.port)) or error).splitlines()
        steps = [*before, *self._steps()]
        self._log(title, steps, _sentence(error), state, error=said)

    def _log(self, title: str, steps: list[Step], notice: str, state: str, **more: Any) -> None:
        number = self.history[-1]["number"] + 1 if self.history else 1
        entry = {"number": number, "title": _text(title), "steps": _shorten(steps), **more}
        with self.hold_sync():  # uma só mensagem à página
            self.history = [*self.history, entry][-_KEPT:]
            self._say(notice, state)

    def _say(self, notice: str, state: str | None = None) -> None:
        with self.hold_sync():
            self.notice = notice
            self.said += 1
            self.state = state or self.state


def _step(event: Event) -> Step:
    """Uma chamada de socket como linha do histórico."""
    argument = "mensagem.encode()" if event.call == "sendall" else event.argument
    call = f"s.{event.call}({'' if argument is None else argument})"
    if event.error is not None:
        result = f"{type(event.error).__name__}: {printable(str(event.error))}"
    elif event.call in ("sendall", "recv"):
        result = _bytes(event.data, event.size)
    else:
        result = "feito"
    return {"call": call, "result": result, "time": milliseconds(event.duration, 3)}


def _timed(call: str, function: Callable[[], str]) -> Step:
    """Um passo que não é de socket, com o tempo que levou."""
    start = perf_counter()
    result = function()
    return {"call": call, "result": result, "time": milliseconds(perf_counter() - start, 3)}


def _bytes(data: bytes, size: int | None = None) -> str:
    """Quantos bytes e quais, em hexadecimal."""
    size = len(data) if size is None else size
    shown = data[:_SHOWN_BYTES].hex(" ") + (" …" if size > _SHOWN_BYTES else "")
    return f"{counted(size, 'byte')}: {shown}" if size else "0 bytes: fim"


def _text(text: str) -> str:
    """O começo de um texto, sem caracteres que mexam com a página; só espaços, entre aspas."""
    shown = printable(text[:_SHOWN_TEXT])
    if not shown.strip():
        shown = f"“{shown}”"
    return shown + (" …" if len(text) > _SHOWN_TEXT else "")


def _shorten(steps: list[Step]) -> list[Step]:
    """Corta o meio de um passo a passo comprido, dizendo quanto cortou."""
    if len(steps) <= _SHOWN_STEPS:
        return steps
    half = _SHOWN_STEPS // 2
    gap = {"call": f"… mais {len(steps) - 2 * half} passos …", "result": ""}
    return [*steps[:half], gap, *steps[-half:]]


def _sentence(error: Exception) -> str:
    """A primeira frase da explicação, para a linha de aviso."""
    explanation = explain(error)
    text = explanation.happened if explanation else str(error)
    return text[:1].upper() + text[1:]
