"""A turma numa célula: o servidor aberto à rede, quem entrou, o que diz, e cada conversa."""

import atexit
import errno
import itertools
import threading
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime
from html import escape
from pathlib import Path
from socket import gethostname
from time import monotonic
from typing import Any
from weakref import WeakSet

import anywidget
import traitlets
from IPython.display import display

from echo_lib import cell
from echo_lib.errors import CLOSED_PANEL, Address, valid_address
from echo_lib.network import Announcement, addresses, is_loopback
from echo_lib.panels import still
from echo_lib.panels.polled import PolledPanel
from echo_lib.panels.roster import Machine, Roster
from echo_lib.panels.sequence import SequenceDiagram
from echo_lib.server import TIMEOUT, Client, EchoServer, exposure
from echo_lib.trace import Trace

_SHOWN = 200  # máquinas mostradas
_SHOWN_LAST = 60  # caracteres mostrados da última mensagem
_LOOK = 5.0  # segundos entre duas olhadas no endereço desta máquina: o Wi-Fi pode trocá-lo
_TRACES = 200  # máquinas com rastro guardado
_CALLS = 200  # chamadas guardadas de cada uma
_NOT_SAVED = {  # por que não se gravou
    errno.EEXIST: "já existe",
    errno.ENOENT: "a pasta não existe",
    errno.EROFS: "esta pasta só se lê",
    errno.EACCES: "falta permissão para gravar ali",
    errno.ENOSPC: "o disco está cheio",
}
_SECOND = 1.0  # segundos sobre os quais se contam as mensagens por segundo


class ClassTrace(Trace):
    """O rastro da turma: o de cada máquina é só dela, e quem fala muito não apaga os outros.

    Argumentos:
        key: de um endereço, a máquina a que ele pertence.
    """

    def __init__(self, key: Callable[[Address], str]) -> None:
        super().__init__(_CALLS)
        self._key = key
        self.live: Collection[str] = ()  # as máquinas que estão conectadas
        self._branches: dict[str, Trace] = {}  # a última que conectou vem no fim
        self._choosing = threading.Lock()

    def forget(self, key: str) -> None:
        """Esquece o que uma máquina fez."""
        with self._choosing:
            self._branches.pop(key, None)

    def of(self, key: str) -> Trace:
        """O rastro de uma máquina; vazio, se ela saiu e muitas vieram depois."""
        with self._choosing:
            self._branches[key] = branch = self._branches.pop(key, None) or self._new()
            if len(self._branches) > _TRACES:  # sai a mais antiga das que já se foram
                gone = (other for other in self._branches if other not in {key, *self.live})
                del self._branches[next(gone, next(iter(self._branches)))]
            return branch

    def _branch(self, peer: Address | None) -> Trace:
        # No macOS, accept pode entregar quem já desistiu, sem endereço.
        return self.of(self._key(peer)) if peer else self

    def _new(self) -> Trace:
        """Um rastro que começa pelas chamadas da escuta, com os números desta."""
        new = Trace(_CALLS)
        new._sockets, new._connections = self._sockets, self._connections
        new._kept.extend(self.events())
        new._read = self._read
        return new


class ClassPanel(PolledPanel, asset="class_panel"):
    """Painel de quem ensina: abre um servidor de eco à rede e mostra a turma ao vivo.

    Argumentos:
        port: a porta em que a turma conecta; com 0, o sistema escolhe.
        host: onde escutar; "0.0.0.0" (padrão) são todos os endereços desta máquina.
        name: o nome com que o servidor se anuncia na rede.

    Erros:
        ValueError: host, porta ou nome inválido.

    Nada se abre sem confirmação: o botão da página, ou share(confirmed=True). Só esta porta fica ao
    alcance da rede. close() para o servidor; rodar a célula de novo, com o mesmo host e a mesma
    porta, não: o painel novo fica com a turma. Se o kernel acaba antes de close(), o registro é
    salvo, como por save(). A primeira mensagem de cada máquina é o nome com que ela aparece; “nome:
    Ana”, enviado depois, o troca.
    """

    _asked: tuple[str, int] | None = None  # o host e a porta pedidos
    _left = False  # a turma ficou para outro painel
    _saved: object = None  # o `_mark` de quando se salvou o registro

    state = traitlets.Unicode().tag(sync=True)
    address = traitlets.Unicode().tag(sync=True)
    announced = traitlets.Unicode().tag(sync=True)
    other_addresses = traitlets.List(traitlets.Unicode()).tag(sync=True)
    exposed = traitlets.List(traitlets.Unicode()).tag(sync=True)
    machines: traitlets.List[Any] = traitlets.List().tag(sync=True)
    hidden_machines = traitlets.Int().tag(sync=True)
    totals: traitlets.List[Any] = traitlets.List().tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)
    diagram = anywidget.WidgetTrait().tag(sync=True)

    def __init__(
        self, port: int = 61840, *, host: str = "0.0.0.0", name: str | None = None
    ) -> None:
        cell.close_on_rerun(self._close_replaced, at_end=True)
        asked = valid_address(host, port)
        if not isinstance(name, str | None):
            raise ValueError(f"esperava um nome, em texto; recebi {name!r}.")
        older = _left_by_last_run(asked)
        server = older.server if older else EchoServer(host, port)
        cell.keep_on_rerun(server.stop)  # quem o para é este painel
        self.name = name or f"Eco de {gethostname()}"
        self._roster: Roster = older._roster if older else Roster()
        self.trace: ClassTrace = older.trace if older else ClassTrace(self._roster.key)
        self._announcement: Announcement | None = older._announcement if older else None
        # Os totais do servidor, quando a turma começou.
        self._before: tuple[int, int] = older._before if older else (0, 0)
        self._lan: str | None = older._lan if older else host
        self._others: list[str] = older._others if older else []
        # O último endereço que a turma pôde ler.
        self._told: str | None = older._told if older else None
        self._opened = server.running  # se quem o abriu ainda não o parou
        self._next_look = 0.0
        self._counts: deque[tuple[float, int]] = deque()
        super().__init__(server)
        self._asked = asked  # só agora: antes daqui, não há turma a deixar
        _all.add(self)
        if older and server.running:
            self._work.put(lambda: self._go_on(older.name))

    def __repr__(self) -> str:
        return f"ClassPanel({self.server!r})"

    def _still(self) -> str:
        state = escape("{}:{}".format(*self.server.address))
        return f"<p><b>Painel da turma</b> ({state}): execute esta célula para usá-lo.</p>"

    def share(self, *, confirmed: bool = False) -> str:
        """Abre o servidor à rede e o anuncia.

        Argumentos:
            confirmed: True diz que se sabe o que fica ao alcance (veja `exposed`).

        Retorna:
            str: o aviso do que foi feito.

        Erros:
            ValueError: sem confirmação, ou o painel já foi encerrado.
            OSError: a porta está ocupada, ou o endereço não é desta máquina; com a explicação.
        """
        if confirmed is not True:
            raise ValueError(
                "esperava a confirmação de que este servidor pode ficar ao alcance da rede.\n"
                f"{exposure(self.server)}\n"
                "Se está de acordo, use o botão do painel, ou share(confirmed=True)."
            )
        if self._closed and not self._here():
            raise ValueError(CLOSED_PANEL)
        if not self.server.running:
            self._told, self._roster.own = None, set()
            self.trace = ClassTrace(self._roster.key)  # outra escuta, outros desenhos
            with self.trace:
                self.server.start()
            cell.keep_on_rerun(self.server.stop)
            self._opened = True
            self._look()
            self._publish()
            if self.selected:
                self.select(self.selected)
        return f"Aberto. {self._who()}."

    def stop(self) -> str:
        """Para o servidor e retira o anúncio; todos são desconectados."""
        if self._left and not self._here():
            return "Este painel foi encerrado: outro ficou com a turma."
        self._opened = False
        self.server.stop()
        self._announce(None)
        return "Parado: ninguém mais alcança este servidor."

    def disconnect(self, key: str) -> str:
        """Desconecta uma máquina, com todas as suas conexões; ela pode conectar de novo.

        Argumentos:
            key: a máquina, como em `machines`.
        """
        with self._turn:  # a turma não muda enquanto se desconecta
            machine = self._machine(key)
            if machine is None or not machine.live:
                return f"{_title(machine) if machine else key} já não está aqui."
            for client in machine.live:
                self.server.disconnect(client.address)
            return f"Desconectado: {_title(machine)}."

    def block(self, key: str) -> str:
        """Encerra uma máquina da rede, recusa as próximas conexões dela e esconde o que disse.

        Argumentos:
            key: a máquina, como em `machines`.

        Retorna:
            str: o aviso do que foi feito.
        """
        machine = self._machine(key)
        if machine is None:
            return f"{key} já não está aqui."
        if ":" in key:  # o cartão é de uma conexão só
            return (
                "Esse endereço é o desta máquina, de todos os que a usam: só dá para desconectar."
            )
        machine.blocked = True
        self.server.block(key)
        if self.selected == key:
            self.select(key)  # o desenho também tem o que ela disse
        return f"Bloqueado: {key}."

    def unblock(self, key: str) -> str:
        """Volta a aceitar uma máquina; a próxima mensagem dela será o nome.

        Argumentos:
            key: a máquina, como em `machines`.

        Retorna:
            str: o aviso do que foi feito.
        """
        machine = self._machine(key)
        if key not in self.server.blocked and not (machine and machine.blocked):
            return f"{key} não estava bloqueado."
        self.server.unblock(key)
        self.trace.forget(key)
        if machine:
            machine.blocked = False
            machine.forget()
        if self.selected == key:
            self.select(key)
        return f"Desbloqueado: {key} pode conectar de novo."

    def new_class(self, path: str | Path | None = None) -> str:
        """Salva o registro e esvazia a lista, os totais e os bloqueios, para a turma seguinte.

        Argumentos:
            path: o arquivo, como em save().

        Retorna:
            str: o aviso do que foi feito.

        Erros:
            ValueError: o servidor ainda está aberto.
            OSError: o registro não pôde ser gravado; nada foi esquecido.
        """
        if self.server.running:
            raise ValueError("esperava o servidor parado: clique em Parar, ou chame stop(), antes.")
        with self._turn:
            self._update()
            if not self._roster.machines:
                return "A lista já está vazia."
            file = self.save(path)
            blocked = self.server.blocked
            for host in blocked:
                self.server.unblock(host)
            self._roster.clear()
            self._before = self.server.totals
        self.select("")
        freed = " Ninguém continua bloqueado." if blocked else ""
        return f"Registro salvo em {file}. A lista está vazia, para a próxima turma.{freed}"

    def select(self, key: str) -> str:
        """Mostra a conversa de uma máquina, desenhada; com "", nenhuma."""
        machine = self._machine(key)
        if key and machine is None:
            return f"{key} já não está aqui."
        older, self.selected = self.diagram, key
        host, _, port = key.partition(":")
        peer = (host, int(port)) if port else host
        shown = machine and not machine.blocked
        self.diagram = SequenceDiagram(self.trace.of(key), peer) if shown else None
        if older is not None:
            older.close()
        return ""

    def save(self, path: str | Path | None = None) -> Path:
        """Salva em CSV o registro da turma: quem entrou, quem saiu, quanto disse.

        Argumentos:
            path: o arquivo; se omitido, turma_DATA_HORA.csv na pasta deste notebook.

        Retorna:
            Path: o arquivo criado; um que já exista nunca é substituído.

        Erros:
            OSError: FileExistsError, ou o sistema não deixou escrever.
        """
        file = Path(path or _new_file())
        try:
            with self._turn:  # a turma não muda enquanto se grava
                self._update()
                self._roster.save(file)
                self._saved = self._mark()
        except OSError as error:
            why = _NOT_SAVED.get(error.errno or 0, f"o sistema não deixou: {error.strerror}")
            error.add_note(
                f"Não foi possível gravar {file}: {why}. Escolha outro lugar, como em "
                "painel.save('turma.csv') ou painel.new_class('turma.csv')."
            )
            raise
        return file

    def _leave(self) -> bool:
        """Encerra o painel, mas não a turma, que fica para outro; diz se deu certo."""
        if self._closed:
            return False
        self._left = True
        try:
            super().close()
            self._thread.join(TIMEOUT)
        finally:  # a demora, ou um Ctrl+C, e ela ainda é deste
            self._left = not self._thread.is_alive()
        return self._left

    def _here(self) -> bool:
        """Se quem pergunta é a thread do painel, que acaba o que se pediu antes de ela acabar."""
        return threading.current_thread() is self._thread

    def _close_replaced(self) -> None:
        """Encerra o painel cuja célula rodou de novo, sem que outro ficasse com a turma."""
        if hasattr(self, "server") and self._unsaved():
            try:
                said = f"O registro da turma anterior foi salvo em {self.save()}."
            except OSError as error:
                said = "\n".join(error.__notes__)
            display({"text/plain": said}, raw=True)  # type: ignore[no-untyped-call]
        self.close()

    def _unsaved(self) -> bool:
        """Se há uma turma, deste painel, cujo registro ninguém salvou nem dispensou com close()."""
        ours = not self._left and (not self._closed or self.server.running)
        return ours and bool(self._roster.machines) and self._saved != self._mark()

    def _mark(self) -> object:
        """O que muda quando há o que acrescentar ao registro."""
        return self._roster.seen, self.server.totals

    def close(self) -> None:
        """Para o servidor e encerra o painel. Pode ser chamado mais de uma vez."""
        super().close()
        if hasattr(self, "server"):  # falta, se a porta era inválida
            self._end()

    def _end(self) -> None:
        if not self._left:
            self.stop()
        if self.diagram is not None:
            self.diagram.close()

    def _on_command(self, widget: Any, content: Any, buffers: Any) -> None:
        match content:
            case {"command": "open", "confirmed": True}:
                self._work.put(lambda: self.share(confirmed=True))
            case {"command": "stop"}:
                self._work.put(self.stop)
            case {"command": "pause"}:
                self._work.put(self._pause)
            case {"command": "new_class"}:
                self._work.put(self.new_class)
            case {
                "command": "disconnect" | "block" | "unblock" | "select" as command,
                "key": str(key),
            }:
                self._work.put(lambda: getattr(self, command)(key))
            case {"command": "save"}:
                self._work.put(lambda: f"Registro salvo em {self.save()}.")

    def _where(self) -> str:
        """O que a turma digita; "" se esta máquina está sem rede."""
        return f"{self._lan}:{self.server.address[1]}" if self._lan else ""

    def _who(self) -> str:
        """Quem alcança o servidor, agora que está aberto."""
        if self._lan is None:
            return "Mas esta máquina está sem rede: ligue o Wi-Fi ou o cabo, e o endereço aparece"
        who = "Esta máquina" if is_loopback(self._lan) else "A turma"
        return f"{who} pode conectar a {self._lan}, porta {self.server.address[1]}"

    def _situation(self) -> object:
        return self.server.running, self.server.paused, self._lan

    def _machine(self, key: str) -> Machine | None:
        return next((m for m in self._roster.machines if m.key == key), None)

    # Daqui para baixo, tudo roda na thread do painel.

    def _pause(self) -> str:
        if self.server.paused:
            self.server.resume()
            return "De volta: o que esperava foi respondido."
        self.server.pause()
        return "Em pausa: ninguém foi desconectado; o que enviarem espera."

    def _run(self) -> None:
        super()._run()
        while self._left and not self._work.empty():  # o que se clicou com o kernel ocupado
            self._do(self._work.get())
        self._end()  # o que ainda se abriu enquanto close() esperava

    def _refresh(self) -> None:
        if not self.server.running:
            self._announce(None)
            if self._opened:
                self._opened = False
                self._tell("Parado: outro servidor deste notebook ficou com a porta.")
        elif monotonic() > self._next_look:
            self._look()
        super()._refresh()

    def _look(self) -> None:
        """Confere que endereços esta máquina tem agora."""
        self._next_look = monotonic() + _LOOK
        host = self.server.address[0]
        everywhere = host == "0.0.0.0"
        mine = addresses()
        here = {i.address for i in mine}
        before, best = self._told, next((i.address for i in mine if i.lan), None)
        if not everywhere:
            self._lan = host if is_loopback(host) or host in here else None
        else:  # o que a turma já digitou serve enquanto existir: uma VPN só muda a rota
            self._lan = before if before in here else best
        if self._lan and before not in (None, self._lan):
            self._tell(
                f"O endereço desta máquina mudou de {before} para {self._lan}: todos precisam "
                "conectar de novo, a este."
            )
            self.server.abandon(before)
        elif not (everywhere or self._lan) and before:
            self._tell(f"Este servidor escuta em {host}, que já não é desta máquina.")
        self._told = self._lan or (before if everywhere else None)
        keys = (m.key for m in self._roster.machines if m.live)  # quem veio por um que se perdeu
        self._roster.own = here | {key.partition(":")[0] for key in keys if ":" in key}
        others = [i.address for i in mine if i.address != self._lan and not is_loopback(i.address)]
        self._others = others if everywhere else []

    def _tell(self, line: str) -> None:
        self._said = [line], self._situation()

    def _publish(self) -> None:
        """Anuncia o servidor na rede, se ela o alcança."""
        host, port = self.server.address
        if not is_loopback(host):
            only = None if host == "0.0.0.0" else [host]  # só se anuncia onde se escuta
            self._announce(new := Announcement(port, self.name, only))
            cell.keep_on_rerun(new.close)  # quem o retira é este painel

    def _go_on(self, name: str) -> str:
        """Fica com a turma do painel que esta célula tinha, anunciado com esse nome."""
        self._look()
        if name != self.name:
            self._publish()
        here = "A turma continua conectada" if self.server.clients else "O servidor continua aberto"
        return f"{here}. {self._who()}."

    def _announce(self, new: Announcement | None) -> None:
        older, self._announcement = self._announcement, new
        if older is not None:  # o adeus pode demorar; ninguém precisa esperar por ele
            threading.Thread(target=older.close, name="ClassPanel", daemon=True).start()

    def _picture(self) -> dict[str, Any]:
        server = self.server
        clients = self._update()
        machines = self._roster.machines
        self.trace.live = {machine.key for machine in machines if machine.live}
        messages, size = server.totals
        announcement = self._announcement
        online = sum(bool(machine.live) for machine in machines)
        return {
            **super()._picture(),
            "state": self._state(),
            "address": self._where(),
            "announced": (announcement.name if announcement else None) or "",
            "other_addresses": self._others,
            "exposed": exposure(server).splitlines(),
            "machines": [_row(machine) for machine in machines[:_SHOWN]],
            "hidden_machines": max(0, len(machines) - _SHOWN),
            "totals": [
                online,
                len(clients),
                messages - self._before[0],
                size - self._before[1],
                self._rate(messages),
            ],
        }

    def _update(self) -> list[Client]:
        """Põe a turma em dia; devolve quem está conectado agora."""
        clients, log = self.server.snapshot()
        own = self.server.address
        self._roster.update(clients, [entry for entry in log if entry.address != own])
        return clients

    def _state(self) -> str:
        if not self.server.running:
            return "fechado"
        if self.server.paused:
            return "em pausa"
        if self._lan is None:
            return "aberto, mas sem rede"
        return "aberto nesta máquina" if is_loopback(self._lan) else "aberto à rede"

    def _rate(self, messages: int) -> int:
        """Mensagens por segundo, no último segundo."""
        now = monotonic()
        self._counts.append((now, messages))
        while now - self._counts[0][0] > _SECOND:
            self._counts.popleft()
        since, before = self._counts[0]
        return round((messages - before) / max(_SECOND, now - since))


_all: WeakSet[ClassPanel] = WeakSet()


@atexit.register
def _save_before_the_end() -> None:
    """O kernel vai reiniciar, ou acabar, com a turma ali: o registro fica."""
    for panel in [*_all]:
        with suppress(Exception):
            if panel._unsaved():
                panel.save()


def _left_by_last_run(asked: Address) -> ClassPanel | None:
    """O painel que esta célula tinha nesse endereço, encerrado sem que a turma dele caia."""
    owners = [getattr(close, "__self__", None) for close in cell.waiting]
    # O de uma porta recusada, ou de uma célula parada no meio dele, tem None em _asked.
    found = [o for o in owners if isinstance(o, ClassPanel) and o._asked == asked]
    for panel in sorted(found, key=lambda panel: not panel.server.running):
        if panel._leave():
            cell.waiting.remove(panel._close_replaced)
            return panel
    return None


def _new_file() -> Path:
    """turma_DATA_HORA.csv, que ainda não existe: com _2, _3…, se há dois no mesmo segundo."""
    stem = f"turma_{datetime.now():%Y-%m-%d_%Hh%Mm%S}"
    names = (f"{stem}_{n}.csv" if n > 1 else f"{stem}.csv" for n in itertools.count(1))
    return next(file for name in names if not (file := Path(name)).exists())


def _title(machine: Machine) -> str:
    named = machine.name and not machine.blocked
    return f"{machine.name} ({machine.key})" if named else machine.key


def _row(machine: Machine) -> list[Any]:
    name, last = machine.name, still.short(machine.last, _SHOWN_LAST)
    if machine.blocked:
        name = last = ""
    counts = [len(machine.live), machine.messages, machine.bytes]
    return [machine.key, name, *counts, last, machine.refused, machine.blocked]
