"""A turma de um servidor: que máquinas estão, quais saíram, o que disseram, e o registro."""

from __future__ import annotations

import csv
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import time

from echo_lib.errors import Address, printable
from echo_lib.server import Client, Entry

_GONE = 100  # máquinas que já saíram e continuam à vista
_KEPT = 500  # acontecimentos guardados de cada máquina: nenhuma apaga os das outras
_NAME = 24  # caracteres de um nome
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # o que uma planilha executaria
_COLUMNS = ("hora", "máquina", "porta", "nome", "acontecimento", "mensagens", "bytes", "última")


@dataclass
class Machine:
    """Uma máquina da turma. `name` é a primeira mensagem que ela enviou.

    `since` é time.time(), em segundos. O que foi de conexões já fechadas conta em `gone`.
    """

    key: str
    host: str
    since: float
    name: str = ""
    last: str = ""
    live: list[Client] = field(default_factory=list)
    gone: tuple[int, int] = (0, 0)  # mensagens, bytes
    entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=_KEPT))

    @property
    def messages(self) -> int:
        """Quantos recv, ao todo."""
        return self.gone[0] + sum(client.messages for client in self.live)

    @property
    def bytes(self) -> int:
        """Quantos bytes, ao todo."""
        return self.gone[1] + sum(client.bytes for client in self.live)

    def hear(self, client: Client) -> None:
        """Guarda o que ela disse, já seguro para mostrar."""
        if client.messages:
            self.name = self.name or _label(client.first)[:_NAME]
            self.last = _label(client.last)


class Roster:
    """As máquinas de um servidor, da primeira a chegar à última.

    Argumentos:
        own: os endereços desta máquina. Quem vem de um deles conta por conexão, pois num servidor
            compartilhado são pessoas diferentes; os demais contam por máquina.
    """

    def __init__(self, own: set[str]) -> None:
        self._own = own
        self._machines: dict[str, Machine] = {}
        self._seen = 0  # o número do último acontecimento lido
        self.missed = 0  # acontecimentos descartados antes de serem lidos

    @property
    def machines(self) -> list[Machine]:
        """Todas, na ordem em que chegaram."""
        return list(self._machines.values())

    def update(self, clients: list[Client], log: list[Entry]) -> None:
        """Põe a turma em dia.

        Argumentos:
            clients, log: o que EchoServer tem agora.
        """
        for machine in self._machines.values():
            machine.live = []
        for entry in log:
            if entry.number > self._seen:
                self.missed += entry.number - self._seen - 1
                self._seen = entry.number
                self._read(entry)
        for client in clients:
            machine = self._find(client.address)
            machine.live.append(client)
            machine.hear(client)
        self._forget()

    def save(self, path: Path) -> None:
        """Grava o registro em CSV, com ponto e vírgula, como as planilhas em português esperam.

        Argumentos:
            path: o arquivo a criar; se já existe, nada é gravado.

        Erros:
            OSError: FileExistsError, ou o sistema não deixou escrever.
        """
        pairs = [(entry, machine) for machine in self.machines for entry in machine.entries]
        pairs += [(_now(c), machine) for machine in self.machines for c in machine.live]
        with path.open("x", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, delimiter=";")
            writer.writerow(_COLUMNS)
            writer.writerows(_row(*pair) for pair in sorted(pairs, key=lambda pair: pair[0].time))

    def _read(self, entry: Entry) -> None:
        machine = self._find(entry.address, entry.time)
        machine.entries.append(entry)
        if entry.client is not None:
            machine.hear(entry.client)
            messages, size = machine.gone
            machine.gone = messages + entry.client.messages, size + entry.client.bytes

    def _find(self, address: Address, now: float | None = None) -> Machine:
        host, port = address
        key = f"{host}:{port}" if host in self._own or host.startswith("127.") else host
        if key not in self._machines:
            self._machines[key] = Machine(key, host, time() if now is None else now)
        return self._machines[key]

    def _forget(self) -> None:
        """Das que já saíram, só as mais novas ficam."""
        gone = [key for key, machine in self._machines.items() if not machine.live]
        for key in gone[: max(0, len(gone) - _GONE)]:
            del self._machines[key]


def _label(data: bytes) -> str:
    """Uma mensagem numa linha só; o resto de um caractere cortado não aparece."""
    return printable(data.decode(errors="replace").strip())


def _now(client: Client) -> Entry:
    return Entry(0, time(), client.address, "conectado agora", client)


def _row(entry: Entry, machine: Machine) -> list[object]:
    client = entry.client
    counts: list[object] = [client.messages, client.bytes] if client else ["", ""]
    last = _label(client.last) if client else ""
    moment = datetime.fromtimestamp(entry.time).isoformat(" ", "seconds")
    texts = [machine.name, entry.what, *counts, last]
    return [moment, *entry.address, *map(_harmless, texts)]


def _harmless(cell: object) -> object:
    """Uma célula que a planilha não toma por fórmula (owasp.org, «CSV Injection»)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
