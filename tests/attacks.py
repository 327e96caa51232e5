"""O aluno entediado: os ataques ao servidor de eco e, ao mesmo tempo, a turma que conversa.

O servidor, a turma e o atacante rodam cada um no seu processo, para que nenhum divida o
interpretador com outro. No Linux todo 127.x.y.z é desta máquina: a turma conecta de 127.0.1.1 a
127.0.1.40, e o atacante, de 127.0.0.66.

Usam este módulo `test_attacks.py`, com ataques pequenos, e os benchmarks `attacks.py` e `busy.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import select
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import cycle, islice
from statistics import quantiles
from time import perf_counter
from typing import Any, NamedTuple, Self

import psutil

from tests.common import HERE, ROOT, TIMEOUT, receive, reset

ATTACKER = "127.0.0.66"
STUDENTS = 40
CLASS = [f"127.0.1.{number + 1}" for number in range(STUDENTS)]
PERIOD = 0.1  # segundos entre duas mensagens de um aluno
PER_ADDRESS = 32  # o limite de um servidor que a rede enxerga
IDLE = 1.0  # segundos de silêncio até o servidor desconectar
DRIP = 0.25  # segundos entre dois bytes do conta-gotas: bem menos que o silêncio permitido
BLOCK = bytes(range(251)) * 300  # comprimento primo: um pedaço fora do lugar aparece
HOSTILE = [
    "\x1b[2J\x1b]0;título trocado\x07\x1b[?1049h\x9b5n",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\u202eoãçerid a ertevni euq emon\u202c",
    "Ωμέγα Юрий 李雷 أحمد שרה नेहा 👩‍🏫 é Z͑ͫ̓a̴l̷g̵o",
    "\0\r\n\t\b" * 8,
    "' OR 1=1; DROP TABLE alunos; -- ${7*7} {{7*7}} %s %n",
    "nome " * 200,
]


class Figures(NamedTuple):
    """O que a turma viu: mensagens respondidas, o que deu errado e os tempos, em ms."""

    answered: int
    failures: list[str]
    echoes: list[float]
    entries: list[float]  # quanto levou cada aluno que saiu e voltou

    def cut(self, percent: int) -> float:
        """O tempo de eco abaixo do qual ficaram `percent` por cento das mensagens."""
        return quantiles(self.echoes, n=100)[percent - 1]


class Part:
    """Um processo deste arquivo, que responde uma linha de JSON a cada linha que lê."""

    def __init__(self, role: str, *arguments: object) -> None:
        command = [sys.executable, "-m", "tests.attacks", role, *map(str, arguments)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=ROOT, **pipes)

    def hear(self) -> Any:
        """A próxima linha que ele disser; RuntimeError se acabou sem dizer."""
        if not (line := self.process.stdout.readline()):
            raise RuntimeError(f"{self.process.args[3:]} terminou antes da hora")
        return json.loads(line)

    def ask(self, what: str) -> Any:
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return self.hear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with self.process:
            try:
                self.process.stdin.close()
                self.process.wait(TIMEOUT)
            finally:
                self.process.kill()


class Server(Part):
    """Um EchoServer noutro processo, com os limites de um servidor que a rede enxerga."""

    def __init__(self, idle_timeout: float = IDLE) -> None:
        super().__init__("servidor", idle_timeout)
        self.address = tuple(self.hear())

    def clients(self) -> Counter[str]:
        """Quantos clientes conectados tem cada endereço."""
        return Counter(self.ask("clients"))

    def log(self) -> list[list[str]]:
        """Os pares (host, o que houve) do registro."""
        return self.ask("log")

    def memory(self) -> float:
        """A memória residente, em MiB."""
        return psutil.Process(self.process.pid).memory_info().rss / 2**20


class Class(Part):
    """A turma: quarenta alunos, cada um a conferir byte por byte o eco das suas mensagens."""

    def __init__(self, address: tuple[str, int], period: float = PERIOD) -> None:
        super().__init__("turma", *address, period)
        self.hear()  # todos entraram

    def rounds(self, turns: int) -> None:
        """Espera que cada aluno troque mais `turns` mensagens."""
        self.ask(str(turns))

    def figures(self) -> Figures:
        """O que houve desde a última vez que se perguntou."""
        return Figures(*self.ask("figures"))


class Attack(Part):
    """O atacante, que acaba por si e diz o que conseguiu."""

    def __init__(self, name: str, address: tuple[str, int], amount: int) -> None:
        super().__init__("ataque", name, *address, amount)

    @property
    def running(self) -> bool:
        return self.process.poll() is None


class Report(NamedTuple):
    """A turma antes e durante um ataque, o servidor antes e depois, e o que o atacante conseguiu.

    `before` e `after` são MiB residentes; `peak`, o máximo de conexões do atacante.
    """

    quiet: Figures
    attacked: Figures
    before: float
    after: float
    peak: int
    outcome: dict[str, int]


def suffer(server: Server, turma: Class, name: str, amount: int, turns: int = 5) -> Report:
    """Mede a turma em sossego, por `turns` mensagens de cada aluno, e durante o ataque todo."""
    turma.rounds(turns)
    quiet, before, peak = turma.figures(), server.memory(), 0
    with Attack(name, server.address, amount) as attack:
        while attack.running:
            turma.rounds(1)
            peak = max(peak, server.clients()[ATTACKER])
        outcome = attack.hear()
    turma.rounds(2)  # o servidor já tratou o que o atacante deixou
    return Report(quiet, turma.figures(), before, server.memory(), peak, outcome)


# --- No processo do servidor ---


def serve(idle_timeout: str) -> None:
    """Atende até a entrada fechar; diz quem está conectado e o que houve."""
    from echo_lib import EchoServer

    limits = {"max_clients_per_address": PER_ADDRESS, "idle_timeout": float(idle_timeout)}
    with EchoServer(HERE, 0, **limits) as server:
        say(server.address)
        for line in sys.stdin:
            if line == "clients\n":
                say(Counter(client.address[0] for client in server.clients))
            else:
                say([(entry.address[0], entry.what) for entry in server.log])


def say(what: object) -> None:
    print(json.dumps(what), flush=True)


# --- No processo da turma ---


class Student:
    """Um aluno, com o endereço e as mensagens só dele."""

    def __init__(self, number: int, server: tuple[str, int]) -> None:
        self.number, self.server, self.turn = number, server, 0

    async def enter(self) -> None:
        source = (CLASS[self.number - 1], 0)
        self.reader, self.writer = await asyncio.open_connection(*self.server, local_addr=source)

    async def leave(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()

    async def talk(self) -> bool:
        """Envia a próxima mensagem e diz se o eco é igual."""
        self.turn += 1
        text = f"aluno {self.number}, mensagem {self.turn}: "
        message = text.encode() + BLOCK[self.turn % 251 :][: self.turn % 400]
        self.writer.write(message)
        return await self.reader.readexactly(len(message)) == message


class Room:
    """A sala: o que todos viram, e quem espera por mais uma rodada."""

    def __init__(self, server: tuple[str, int], period: float) -> None:
        self.students = [Student(number + 1, server) for number in range(STUDENTS)]
        self.period, self.stopping = period, asyncio.Event()
        self.answering = asyncio.Condition()
        self.failed: set[Student] = set()
        self.reset()

    def reset(self) -> None:
        self.failures: list[str] = []
        self.echoes: list[float] = []
        self.entries: list[float] = []

    async def attend(self, student: Student, start: float) -> None:
        """Um aluno conversa até o fim da aula; o que falha é anotado, e ele não volta."""
        try:
            while not self.stopping.is_set():
                due = start + (student.turn + student.number / STUDENTS) * self.period
                await self.wait(due - perf_counter())
                async with asyncio.timeout(TIMEOUT):
                    await self.exchange(student, due)
        except (OSError, EOFError, TimeoutError) as error:
            self.failures.append(f"aluno {student.number}, {student.turn}: {error!r}")
            self.failed.add(student)
        async with self.answering:
            self.answering.notify_all()
        await student.leave()

    async def exchange(self, student: Student, due: float) -> None:
        """Uma mensagem, medida desde a hora em que devia sair; às vezes o aluno sai e volta."""
        if student.turn % STUDENTS == student.number - 1:
            await student.leave()
            asked = perf_counter()
            await student.enter()
            due = perf_counter()
            self.entries.append((due - asked) * 1000)
        if await student.talk():
            self.echoes.append((perf_counter() - due) * 1000)
        else:
            self.failures.append(f"aluno {student.number}, {student.turn}: eco diferente")
        async with self.answering:
            self.answering.notify_all()

    async def wait(self, seconds: float) -> None:
        """Até a hora da mensagem, ou até o fim da aula."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), max(0, seconds))

    async def rounds(self, turns: int) -> None:
        goals = {student: student.turn + turns for student in self.students}
        async with self.answering:
            await self.answering.wait_for(
                lambda: all(s.turn > goals[s] for s in self.students if s not in self.failed)
            )


async def teach(host: str, port: str, period: str) -> None:
    """A turma entra, conversa até a entrada fechar e responde ao que se pergunta."""
    room = Room((host, int(port)), float(period))
    await asyncio.gather(*(student.enter() for student in room.students))
    say("todos entraram")
    talks = [asyncio.create_task(room.attend(s, perf_counter())) for s in room.students]
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line == "figures\n":
            say(Figures(len(room.echoes), room.failures, room.echoes, room.entries))
            room.reset()
        else:
            await room.rounds(int(line))
            say("feito")
    room.stopping.set()
    await asyncio.gather(*talks)


# --- No processo do atacante ---

Address = tuple[str, int]


def connect(server: Address) -> socket.socket:
    return socket.create_connection(server, TIMEOUT, (ATTACKER, 0))


@contextmanager
def several(server: Address, count: int = PER_ADDRESS) -> Iterator[dict[int, socket.socket]]:
    """Conexões que não esperam, pelo descritor; as que sobrarem são fechadas no fim."""
    socks = {}
    try:
        for _ in range(count):
            sock = socket.socket()
            socks[sock.fileno()] = sock
            sock.setblocking(False)
            sock.bind((ATTACKER, 0))
            sock.connect_ex(server)
        yield socks
    finally:
        for sock in socks.values():
            sock.close()


def events(socks: dict[int, socket.socket], mask: int) -> Iterator[tuple[socket.socket, int]]:
    """O que acontece aos sockets, até não sobrar nenhum ou nada acontecer por TIMEOUT."""
    poll = select.poll()
    for sock in socks.values():
        poll.register(sock, mask)
    while socks and (ready := poll.poll(TIMEOUT * 1000)):
        for fd, event in ready:
            yield socks[fd], event
            if socks[fd].fileno() < 0:  # quem recebeu o evento fechou o socket
                poll.unregister(fd)
                del socks[fd]


def crowd(server: Address, amount: int) -> dict[str, int]:
    """Conecta `amount` vezes ao mesmo tempo e não diz nada, até ser desconectado de todas."""
    with several(server, amount) as socks:
        for sock, _ in events(socks, select.POLLIN):
            with suppress(ConnectionError):
                assert sock.recv(1) == b""
            sock.close()
        return {"abertas": amount, "esquecidas": len(socks)}


def echoed(sock: socket.socket, data: bytes) -> bool:
    """Se `data` voltou inteiro; ou o servidor desconectou quem, sem processador, se calou."""
    came = b""
    with suppress(ConnectionError):
        sock.sendall(data)
        came = receive(sock, len(data))
    assert data.startswith(came)
    return came == data


def drip(server: Address, amount: int) -> dict[str, int]:
    """Todas as conexões que pode ter pingam um byte de cada vez: nenhuma fica em silêncio."""
    socks = [connect(server) for _ in range(PER_ADDRESS)]
    pace, due = select.poll(), perf_counter()
    for number in range(amount):
        turn = number % PER_ADDRESS
        if not echoed(socks[turn], BLOCK[number % 251 :][:1]):
            socks[turn].close()
            socks[turn] = connect(server)
        due += DRIP / PER_ADDRESS
        pace.poll(max(0.0, due - perf_counter()) * 1000)  # nada registrado: só passa o tempo
    for sock in socks:
        sock.close()
    return {"bytes": amount}


def deaf(server: Address, amount: int) -> dict[str, int]:
    """Envia até encher todos os buffers, sem nunca ler, até ser desconectado; repete."""
    sent = 0
    for _ in range(amount):
        with several(server) as socks:
            for sock, event in events(socks, select.POLLOUT):
                try:
                    sent += 0 if event & (select.POLLERR | select.POLLHUP) else sock.send(BLOCK)
                except ConnectionError:
                    event = select.POLLERR
                if event & (select.POLLERR | select.POLLHUP):
                    sock.close()
            assert not socks
    return {"bytes": sent}


def gigabytes(server: Address, amount: int) -> dict[str, int]:
    """Envia e lê `amount` MiB por 32 conexões, o mais depressa que puder.

    Sem processador, cala-se e é desconectado: refaz as conexões que perder.
    """
    total = Counter()
    while (missing := amount * 2**20 - total.total()) > 0:
        share = -(-missing // PER_ADDRESS)
        with several(server) as socks:
            sent, got = Counter(), Counter()
            for sock, event in events(socks, select.POLLIN | select.POLLOUT):
                fd, lost = sock.fileno(), False
                try:
                    if event & ~select.POLLOUT:
                        data = sock.recv(1 << 16)
                        assert data == BLOCK[got[fd] % 251 :][: len(data)]
                        got[fd] += len(data)
                        lost = not data
                    elif sent[fd] < share:
                        start = sent[fd] % 251
                        sent[fd] += sock.send(BLOCK[start : start + min(1 << 16, share - sent[fd])])
                except ConnectionError:
                    lost = True
                if lost or got[fd] == share:
                    sock.close()
            total.update(got)
    return {"MiB": total.total() // 2**20}


def storm(server: Address, amount: int) -> dict[str, int]:
    """Conecta, envia e corta a conexão com um RST, às vezes antes, às vezes depois do eco."""
    for number in range(amount):
        sock = connect(server)
        with suppress(ConnectionError):
            sock.sendall(BLOCK[: number * 97 % 5000])
            if number % 3 == 0:
                sock.recv(1)
        reset(sock)
    return {"RST": amount}


def churn(server: Address, amount: int) -> dict[str, int]:
    """Entra, troca uma mensagem e sai, sem parar."""
    for _ in range(amount):
        with connect(server) as sock:
            echoed(sock, b"oi")  # ou é recusado: ainda contava quem acabou de sair
    return {"entradas": amount}


def noise(server: Address, amount: int) -> dict[str, int]:
    """Bytes ao acaso, em pedaços ao acaso; uns leem até o fim, outros largam no meio."""
    chance = random.Random(66)
    for _ in range(amount):
        data = chance.randbytes(chance.randrange(20_000))
        with connect(server) as sock:
            sock.sendall(data)
            if chance.random() < 0.7:
                sock.shutdown(socket.SHUT_WR)
                assert receive(sock) == data
            else:
                receive(sock, len(data) // 2)
    return {"rajadas": amount}


def texts(server: Address, amount: int) -> dict[str, int]:
    """Escapes de terminal, HTML, nomes noutros alfabetos: para o eco, só bytes."""
    sock = connect(server)
    for text in islice(cycle(HOSTILE), amount):
        if not echoed(sock, text.encode()):
            sock.close()
            sock = connect(server)
    sock.close()
    return {"textos": amount}


ATTACKS: dict[str, Callable[[Address, int], dict[str, int]]] = {
    "multidão": crowd,
    "calados": crowd,
    "conta-gotas": drip,
    "surdos": deaf,
    "gigabytes": gigabytes,
    "RST": storm,
    "entra e sai": churn,
    "bytes ao acaso": noise,
    "textos hostis": texts,
}


def attack(name: str, host: str, port: str, amount: str) -> None:
    """Ataca e diz o que conseguiu; numa máquina só sua, não disputaria o processador da turma."""
    os.nice(10)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    say(ATTACKS[name]((host, int(port)), int(amount)))


def main(role: str, *arguments: str) -> None:
    if role == "turma":
        asyncio.run(teach(*arguments))
    else:
        {"servidor": serve, "ataque": attack}[role](*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
