"""A turma de um servidor: que máquinas estão, quais saíram, o que disseram, e o registro."""

import csv
import re
import unicodedata
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from math import inf
from pathlib import Path
from time import monotonic, time

from echo_lib.errors import Address, printable, whole_letters
from echo_lib.network import is_loopback
from echo_lib.network.diagnosis import PROBE
from echo_lib.server import KEPT_BYTES, Client, Entry

_GONE = 100  # máquinas que já saíram e continuam à vista
_KEPT = 500  # acontecimentos guardados de cada endereço: nenhum apaga os dos outros
_HOSTS = 1000  # endereços com registro
_NAME = 24  # caracteres de um nome
_TOGETHER = 3  # nomes mostrados num cartão
_PEOPLE = 100  # nomes lembrados de quem dividiu uma máquina
_PROBING = 10.0  # segundos: um diagnóstico acaba antes disso
# O que uma planilha executaria, no começo da célula ou depois do que ela tome por separador.
_FORMULA = re.compile(r"(^|[,;|\"])(\s*)(?=[=+\-@＝＋－＠\t\r])")
_DIAGNOSIS = re.compile(rb"%b[0-9a-f]{8}\n" % re.escape(PROBE.encode()))
_NEW_NAME = re.compile(rb"^\s*nome\s*:\s*(\S.*)", re.IGNORECASE | re.MULTILINE)
_GLUE = "\u200d\ufe0e\ufe0f"  # une emojis, e lhes dá cor; depois de uma letra, ninguém o vê
_UNSEEN = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0d\U00016fe4\U000e0100-\U000e01ef]")
_REFUSED = re.compile(r"recusado(?: mais (\d+))?")
_COLUMNS = ("hora", "máquina", "porta", "nome", "acontecimento", "mensagens", "bytes", "última")


@dataclass
class Machine:
    """Uma máquina da turma. O que foi de conexões já fechadas conta em `gone`."""

    key: str
    first: str = ""  # o nome da primeira pessoa: a primeira mensagem, ou o que ela pediu depois
    by: Address | None = None  # a conexão em que ela o disse
    names: dict[Address, str] = field(default_factory=dict)  # o de cada conexão aberta
    heard: dict[Address, int] = field(default_factory=dict)  # quantas mensagens dela já se ouviram
    people: set[str] = field(default_factory=set)  # quem já dividiu a máquina com alguém
    last: str = ""
    live: list[Client] = field(default_factory=list)
    gone: tuple[int, int] = (0, 0)  # mensagens, bytes
    refused: int = 0  # conexões
    blocked: bool = False  # o que diz não se mostra a ninguém
    forgotten: float = -inf  # o que disse quem entrou até este instante, monotonic(), não se mostra

    @property
    def name(self) -> str:
        """O nome com que aparece; o de cada uma, se várias pessoas conversam da mesma máquina."""
        together = sorted({*self.names.values()}, key=lambda name: (name != self.first, name))
        if len(together) < 2:
            return self.first
        more = f" e mais {len(together) - _TOGETHER}" if len(together) > _TOGETHER else ""
        return ", ".join(together[:_TOGETHER]) + more

    @property
    def messages(self) -> int:
        """Quantos recv, ao todo."""
        return self.gone[0] + sum(client.messages for client in self.live)

    @property
    def bytes(self) -> int:
        """Quantos bytes, ao todo."""
        return self.gone[1] + sum(client.bytes for client in self.live)

    def forget(self) -> None:
        """Esquece o que ela disse: a próxima mensagem será o nome; no registro, nada muda."""
        self.people |= {self.first, *self.names.values()}
        self.first = self.last = ""
        self.by = None
        self.names, self.heard = {}, {}
        self.forgotten = monotonic()

    def settle(self) -> None:
        """Esquece os nomes de quem já se foi, depois de anotar quem estava junto."""
        here = {client.address for client in self.live}
        self.names = {address: name for address, name in self.names.items() if address in here}
        self.heard = {address: n for address, n in self.heard.items() if address in here}
        together = {*self.names.values()}
        if len(together) > 1 and len(self.people) < _PEOPLE:
            self.people |= together

    def hear(self, client: Client) -> None:
        """Guarda o que ela disse, já seguro para mostrar."""
        if client.messages == self.heard.get(client.address, 0) or client.since <= self.forgotten:
            return
        self.heard[client.address] = client.messages
        before, asked = self.names.get(client.address), _asked_name(client)
        known = {name for address, name in self.names.items() if address != client.address}
        # Quem volta é a primeira pessoa, se ela já não está e não é o nome de outra que se ouve.
        said = _name(client)
        again = self.first if self.first not in known and said not in self.people else ""
        name = asked or before or again or said
        if asked and (not known or before == self.first):
            another = self.by not in (None, client.address)  # pode ser outra pessoa
            if another and len(self.people) < _PEOPLE:
                self.people |= {self.first, asked}
            self.first, self.by = asked, client.address
        if not self.first:
            self.first, self.by = name, client.address
        if name:
            self.names[client.address] = name
        self.last = _label(client.last)


class Roster:
    """As máquinas de um servidor, da primeira a chegar à última.

    `own` são os endereços desta máquina: quem vem de um deles conta por conexão, pois num servidor
    compartilhado são pessoas diferentes; os demais contam por máquina.
    """

    def __init__(self) -> None:
        self.own: set[str] = set()
        self._machines: dict[str, Machine] = {}
        self._record: dict[str, deque[Entry]] = {}
        self._refused: Counter[str] = Counter()  # conexões recusadas de cada endereço com registro
        self.seen = 0  # o número do último acontecimento lido

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
        visits = []  # de quem só veio diagnosticar
        for entry in log:
            if entry.number > self.seen:
                self.seen = entry.number
                self._read(entry)
                if entry.client and not _is_student(entry.client):
                    visits.append(self.key(entry.address))
        for client in clients:
            if _is_student(client, stays=monotonic() - client.since > _PROBING):
                machine = self._find(client.address)
                machine.live.append(client)
                machine.hear(client)
        for machine in self._machines.values():
            machine.settle()
            machine.refused = self._refused[machine.key]
        for key in visits:  # um diagnóstico, visto antes de falar, já teria um cartão
            if self._machines.get(key) == Machine(key):
                del self._machines[key]
        self._forget()

    def clear(self) -> None:
        """Esquece a turma e o registro: o que já foi lido não volta."""
        self._machines.clear()
        self._record.clear()
        self._refused.clear()

    def save(self, path: Path) -> None:
        """Grava o registro em CSV, com ponto e vírgula, como as planilhas em português esperam.

        Argumentos:
            path: o arquivo a criar; se já existe, nada é gravado.

        Erros:
            OSError: FileExistsError, ou o sistema não deixou escrever.
        """
        entries = [entry for record in self._record.values() for entry in record]
        live = [client for machine in self.machines for client in machine.live]
        entries += [Entry(0, time(), c.address, "conectado agora", c) for c in live]
        file = path.open("x", encoding="utf-8-sig", newline="")
        try:
            with file:
                writer = csv.writer(file, delimiter=";")
                writer.writerow(_COLUMNS)
                writer.writerows(self._rows(sorted(entries, key=lambda entry: entry.time)))
        except OSError:  # o disco encheu: nada pela metade
            path.unlink(missing_ok=True)
            raise

    def _rows(self, entries: list[Entry]) -> Iterable[list[object]]:
        names: dict[Address, str] = {}  # de quem saiu, ou está; quem entrou é quem depois saiu
        rows = []
        for entry in reversed(entries):
            client, (host, port) = entry.client, entry.address
            if client or entry.address not in names:
                names[entry.address] = self._name_of(entry)
            name = names[entry.address]
            if not client:  # a porta pode ter sido, antes, a de outra conversa
                del names[entry.address]
            counts: list[object] = [client.messages, client.bytes] if client else ["", ""]
            last = _label(client.last) if client else ""
            moment = datetime.fromtimestamp(entry.time).isoformat(" ", "seconds")
            texts = [name, entry.what, *counts, last]
            rows.append([moment, host, port or "", *map(_harmless, texts)])
        return reversed(rows)

    def _name_of(self, entry: Entry) -> str:
        name = _name(entry.client) if entry.client else ""
        seat = "{}:{}".format(*entry.address)  # o desta máquina pode ter mudado desde então
        if machine := self._machines.get(seat) or self._machines.get(self.key(entry.address)):
            own = machine.names.get(entry.address, name)
            name = own if own in machine.people else machine.first or own
        return name

    def _read(self, entry: Entry) -> None:
        if len(self._record) < _HOSTS or entry.address[0] in self._record:
            record = self._record.setdefault(entry.address[0], deque(maxlen=_KEPT))
            record.append(entry)
            if times := _REFUSED.match(entry.what):
                self._refused[entry.address[0]] += int(times[1] or 1)
        if entry.client is not None and _is_student(entry.client):
            machine = self._find(entry.address)
            machine.hear(entry.client)
            messages, size = machine.gone
            machine.gone = messages + entry.client.messages, size + entry.client.bytes
            machine.names.pop(entry.address, None)
            machine.heard.pop(entry.address, None)

    def key(self, address: Address) -> str:
        """A máquina a que um endereço pertence, como em Machine.key."""
        host, port = address
        return f"{host}:{port}" if host in self.own or is_loopback(host) else host

    def _find(self, address: Address) -> Machine:
        key = self.key(address)
        return self._machines.setdefault(key, Machine(key))

    def _forget(self) -> None:
        """Das que já saíram, só as mais novas continuam à vista."""
        gone = [m.key for m in self.machines if not (m.live or m.blocked)]
        for key in gone[: max(0, len(gone) - _GONE)]:
            del self._machines[key]


def _is_student(client: Client, stays: bool = False) -> bool:
    """Quem só veio diagnosticar não é da turma: envia uma mensagem, e não fica."""
    return stays or client.messages != 1 or not _DIAGNOSIS.fullmatch(client.first)


def _name(client: Client) -> str:
    """O que o cliente pediu que fosse o nome dele, ou a primeira linha que não é só espaços."""
    lines = (
        _label(data.lstrip().partition(b"\n")[0], _NAME) for data in (client.first, client.last)
    )
    return _asked_name(client) or next(filter(None, lines), "")


def _asked_name(client: Client) -> str:
    asked = _NEW_NAME.search(client.last)
    return _label(asked[1], _NAME) if asked else ""


@lru_cache(maxsize=2048)  # a turma é posta em dia até 20 vezes por segundo
def _label(data: bytes, most: int | None = None) -> str:
    """Uma mensagem numa linha só, com até `most` caracteres, e nenhum escape pela metade."""
    label = ""
    text = whole_letters(data, "replace", after=len(data) >= KEPT_BYTES).strip()
    for char in _plain(text) if most else text:
        if most and len(label + printable(char)) > most:
            break
        label += printable(char)
    return label


def _plain(name: str) -> str:
    """Um nome sem o que ninguém vê: dois que se leem iguais são iguais.

    Fonte: unicode.org/reports/tr15 (NFC); unicode.org/reports/tr51, seção 2 (emojis).
    """
    plain = ""
    for char in _UNSEEN.sub("", unicodedata.normalize("NFC", name)):
        symbol = plain and (plain[-1] in _GLUE or unicodedata.category(plain[-1]) in ("So", "Sk"))
        if symbol or char not in _GLUE:
            plain += char
    return plain.rstrip("\u200d")


def _harmless(cell: object) -> object:
    """Uma célula que a planilha não toma por fórmula (owasp.org, «CSV Injection»)."""
    return _FORMULA.sub(r"\1\2'", cell) if isinstance(cell, str) else cell
