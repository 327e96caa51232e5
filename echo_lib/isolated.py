"""O código do aluno num processo à parte: um laço sem fim, ou uma queda, não alcança o notebook.

`Learner` é o lado de quem verifica; o processo em que o código roda está em `worker`. Cada chamada
tem o seu rastro, e os das duas pontas viram um só, para o diagrama.
"""

import dis
import inspect
import io
import itertools
import linecache
import os
import pickle
import queue
import reprlib
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from time import perf_counter, sleep
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from echo_lib.errors import Address
from echo_lib.trace import Event, Trace, TracedSocket
from echo_lib.worker import EVENTS, SENT_AT_ONCE, START, innermost, is_ours, limit_buffers

if TYPE_CHECKING:
    import psutil

TIMEOUT = 3.0  # segundos que o código do aluno tem para cada chamada
PATIENCE = 5  # prazos ao todo, para quem anda devagar sem parar
_TURN = 0.1  # segundos de processador: quem os teve, e nada leu, não vai ler
_LOOKS, _BETWEEN = 4, 0.007  # quantas vezes se olham as threads, e os segundos entre duas
WORK = 3.0  # segundos de processador: quem já os teve não anda devagar, não acaba
_SPIN = 1.0  # segundos de processador sem que passe um byte: quem os teve dá voltas num laço
_IDLE = 0.2  # segundos de processador sem usar um socket: quem os teve dá voltas à toa
_STEP = 0.4  # segundos entre duas olhadas
ANSWER = 5.0  # segundos para o processo dizer o que já fez: numa máquina ocupada, demora
NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # no Windows, sem abrir um console
_ENDED = object()  # o processo acabou
NEVER_ENDED = "Seu código não terminou: espera bytes que não vêm, ou um laço não acaba?"
# Como as lições chamam o que uma célula guarda, e que uma função costuma ter de seu.
_OF_THE_LESSONS = {"n", "host", "porta", "dados", "parte", "eco", "texto", "perda", "resposta"}
_OF_THE_LESSONS |= {"conversa", "mensagem", "tamanho"}
_DATA = (str, bytes, bytearray, int, float, tuple, list, dict, set)
_KINDS = (socket.socket, bytes, str, list, set, dict, type(threading.Lock()), threading.Thread)
_NAMED = ("LOAD_ATTR", "POP_TOP")  # uma linha que só diz conn.close
_ARGUMENTS = {"LOAD_CONST", "LOAD_SMALL_INT", "KW_NAMES", "PRECALL"}  # entre o método e a chamada
_CALLS = {"CALL", "CALL_KW"}
_CONDITIONS = ("POP_JUMP", "JUMP_IF", "TO_BOOL", "UNARY_NOT")  # conforme a versão do Python
_OF_VALUES = {"encode", "decode", "strip", "rstrip", "lstrip", "split"}
_NOT_STARTED = "O processo da verificação não começou"


class Learner:
    """O código do aluno, num processo que acaba com o bloco `with`.

    Argumentos:
        functions: as funções do aluno; elas e as variáveis que usam vão ao outro processo.

    Uso: `start`, `connect` ou `listen` começa uma chamada, que `result` espera com prazo.
    """

    def __init__(self, *functions: Any) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._reports: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._asks = itertools.count()  # cada pedido de notícias tem um número
        self._events: list[Event] = []
        self._early: Any = None  # a resposta que chegou enquanto se olhava
        self.not_a_function = next(filter(None, map(_not_a_function, functions)), "")
        self._failed = self.not_a_function
        self.outside = _outside(functions)  # as variáveis do notebook que o código lê
        self.useless = useless(*map(innermost, functions))  # o que dizer, ou ""
        self.where = ""  # a linha do aluno em que o código estava quando o prazo acabou
        self.notes = ""  # o que dizer além da resposta: veja worker
        self._before = 0.0  # o processador que as chamadas anteriores usaram
        self.trace = Trace(EVENTS)  # o que fazem as pontas de quem verifica
        self._peers: list[socket.socket] = []
        try:
            self._code = _sent((functions, _sources(functions)))
        except Exception:
            self._code = b""
            stuck = _stuck(functions)
            which = " ou ".join(stuck) or "uma variável"
            self._failed = (
                "Seu código usa exit() ou quit(), que encerram o programa inteiro. Para sair da "
                "função, use return."
                if {"exit", "quit"} & {*stuck}
                else f"Seu código usa {which}, de fora da função, e a verificação o roda noutro "
                "processo, aonde isso não chega: tudo vem entre os parênteses do def; um socket ou "
                "um servidor já abertos no notebook não servem."
            )

    def __enter__(self) -> Self:
        if not self._failed:
            try:
                self._open()
            except BaseException:  # a interrupção do kernel: sem isto, o processo ficaria
                self._kill()
                raise
        return self

    def __exit__(self, *error: object) -> None:
        for peer in self._peers:
            peer.close()
        self._kill()

    def start(self, *arguments: Any, function: int = 0, pieces: Sequence[int] = ()) -> None:
        """Começa a chamar uma função com estes argumentos.

        Argumentos:
            function: qual delas, na ordem em que foram dadas.
            pieces: quantos bytes traz no máximo cada recv; depois do último, quantos houver.
        """
        self._begin("call", arguments, function, pieces)

    def call(self, *arguments: Any, function: int = 0) -> tuple[Any, str]:
        """Chama uma função e espera: o que ela devolveu e o erro, como em `result`."""
        self.start(*arguments, function=function)
        return self.result()

    def connect(
        self, *arguments: Any, function: int = 0, pieces: Sequence[int] = ()
    ) -> socket.socket:
        """Chama uma função com uma conexão já aceita e estes argumentos.

        Retorna:
            socket.socket, a outra ponta da conexão; fecha com o bloco.
        """
        self._begin("conn", arguments, function, pieces)
        peer = self.peer(self._ready())
        self._ready()
        return peer

    def listen(self, *arguments: Any, pieces: Sequence[int] = ()) -> Address:
        """Chama a função com um socket que escuta e estes argumentos; devolve o endereço."""
        self._begin("listen", arguments, 0, pieces)
        return self._ready()

    def peer(self, address: Address) -> socket.socket:
        """Uma conexão nova com este endereço, para conversar com o código do aluno."""
        peer = TracedSocket(trace=self.trace)
        limit_buffers(peer)
        self._peers.append(peer)
        peer.settimeout(TIMEOUT)
        with suppress(OSError):  # o código já acabou, e `result` dirá como
            peer.connect(address)
        return peer

    def result(self, timeout: float | None = None) -> tuple[Any, str]:
        """O que a chamada devolveu e o erro explicado ("" se não houve).

        Argumentos:
            timeout: segundos de espera; se omitido, TIMEOUT, ou menos, se o código, que já usou
                um socket, dá voltas sem que passe um byte; e até PATIENCE vezes isso enquanto
                passam bytes e ele não teve WORK segundos de processador. Acabada a espera, o
                processo acaba.
        """
        if self._failed:
            return None, self._failed
        answer, self._early = self._early or self._awaited(timeout), None
        if answer is None:
            self._kill()
            return None, NEVER_ENDED
        if answer is _ENDED:
            return None, self._crash()
        value, error, self._events, self.notes = answer
        return value, error

    def _awaited(self, timeout: float | None) -> Any:
        """A resposta, ou None se ela não veio no prazo."""
        began = now = perf_counter()
        last = since = 0.0  # quando passou o último byte, e o processador usado até se ver isso
        while now - began < TIMEOUT * PATIENCE:
            step = min(_STEP, TIMEOUT) if timeout is None else timeout
            with suppress(queue.Empty):
                return self._answers.get(timeout=step)
            if timeout is not None:
                break
            assert self._process
            now, used = perf_counter(), worked(self._process.pid) - self._before
            late = now - began >= TIMEOUT
            if not late and used - since < _TURN:
                continue
            report = self._asked(whole=False)
            if report is None or self._early is not None:  # nem responde, ou acabou
                return self._early
            moved = report[0] or 0.0
            if moved > last:
                last, since = moved, used
            # Sem sockets, pode ser um import demorado.
            spins = report[0] is not None and used - since > _SPIN
            if spins or (late and (now - moved > TIMEOUT - _STEP or used > WORK)):
                break
        report = self._asked()  # e a resposta que chegou só agora, em _early
        if report and self._early is None:
            self._events, self.where, self.notes = report
        return self._early

    def hunger(self) -> Callable[[], bool]:
        """A pergunta de `hunger` sobre o processo em que o código roda."""
        return hunger(self._process.pid) if self._process else lambda: False

    def running(self) -> bool:
        """Se a chamada não tinha acabado quando se olhou."""
        return self._early is None and self._process is not None

    def look(self, wait: float = 0.3) -> tuple[Event, ...]:
        """As chamadas de socket, até agora, de uma chamada que talvez não tenha acabado.

        Argumentos:
            wait: segundos que se espera, antes, que ela acabe.

        Retorna:
            tuple[Event, ...], as de `own_events`.
        """
        with suppress(queue.Empty):
            self._early = self._early or self._answers.get(timeout=wait)
        if isinstance(self._early, tuple):
            _, _, self._events, self.notes = self._early
        elif self._early is None and self._process and (report := self._asked()):
            self._events, _, self.notes = report
        return self.own_events()

    def _asked(self, whole: bool = True) -> Any:
        """O que `worker` diz da chamada em curso; None se não respondeu, ou acabou."""
        number, report = next(self._asks), None
        self._tell(("report", number, whole))
        with suppress(queue.Empty):  # as respostas a pedidos anteriores também chegam, tarde
            while (report := self._reports.get(timeout=ANSWER)) and report[1] != number:
                report = None
        with suppress(queue.Empty):
            self._early = self._answers.get_nowait()  # acabou nesse meio-tempo
        return report and report[2:]

    def events(self) -> tuple[Event, ...]:
        """As chamadas de socket da última chamada, das duas pontas, em ordem de tempo."""
        return tuple(_merged(self._events, self.trace.events()))

    def own_events(self) -> tuple[Event, ...]:
        """Destas chamadas, só as do código do aluno."""
        return tuple(self._events)

    def spins(self) -> bool:
        """Se o código, que já devia ter respondido, só dá voltas, sem usar socket nenhum."""
        before, deadline = self.look(0.001)[-1:], perf_counter() + TIMEOUT * PATIENCE
        if not self.running():
            return False
        pid = self._process.pid  # type: ignore[union-attr]
        last = start = worked(pid)
        while last - start < _IDLE and perf_counter() < deadline:
            sleep(_TURN)
            used, last = last, worked(pid)
            if used == last and not waits_for_its_turn(pid):  # está parado
                return False
        return last - start >= _IDLE and self.look(0.001)[-1:] == before and self.running()

    def totals(self) -> tuple[int, int]:
        """Quantos bytes o código enviou, e quantos recebeu."""
        own = self._events
        return sum(e.size for e in own if e.sends), sum(e.size for e in own if e.receives)

    def used(self, call: str) -> bool:
        """Se o código do aluno fez esta chamada."""
        return any(event.call == call for event in self._events)

    def sent_a_part(self) -> bool:
        """Se um send do código só aceitou uma parte dos bytes."""
        return any(e.call == "send" and e.size == SENT_AT_ONCE for e in self._events)

    def tries(self) -> list[Event]:
        """As vezes em que o código tentou conectar."""
        return [event for event in self._events if event.call.startswith("connect")]

    def expired(self) -> list[Event]:
        """As chamadas em que um prazo do código acabou."""
        return [event for event in self._events if isinstance(event.error, TimeoutError)]

    def _begin(
        self, what: str, arguments: tuple[Any, ...], function: int, pieces: Sequence[int]
    ) -> None:
        for peer in self._peers:  # os da chamada anterior
            peer.close()
        self._peers, self._events, self._early, self.where, self.notes = [], [], None, "", ""
        if what != "call":  # o servidor ao lado, de uma chamada simples, já está no rastro
            self.trace = Trace(EVENTS)
        if not self._failed and self._process is None:  # a anterior não acabou: outro processo
            self._open()
        if self._failed:
            return
        assert self._process
        self._before = worked(self._process.pid)
        self._tell((what, function, arguments, list(pieces)))

    def _tell(self, said: object) -> None:
        """Diz algo ao outro processo; se ele já acabou, `result` o dirá."""
        assert self._process and self._process.stdin
        with suppress(OSError):
            pickle.dump(said, self._process.stdin)
            self._process.stdin.flush()

    def _open(self) -> None:
        self._answers, self._reports = queue.SimpleQueue(), queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-b", "-m", "echo_lib.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # o botão de parar também o acaba: sem o traceback na célula
            creationflags=NO_WINDOW,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        )
        assert self._process.stdout
        given = (self._process.stdout, self._answers, self._reports)
        self._reader = threading.Thread(target=_read, args=given, daemon=True)
        self._reader.start()
        self._tell(self._code)
        problem = self._first_word()
        if problem is _ENDED:
            self._crash()
            problem = f"{_NOT_STARTED}: há na pasta um .py com nome de módulo, como socket.py?"
        self._failed = problem

    def _ready(self) -> Address:
        """O endereço que o outro processo abriu; o de ninguém, se ele não respondeu."""
        match self._failed or self._first_word():
            case (str(host), int(port)):
                return host, port
            case str(error):
                self._failed = error
        self._failed = self._failed or self._crash()
        return "127.0.0.1", 1

    def _first_word(self) -> Any:
        """O que o outro processo diz ao começar; se demora demais, acaba, e o texto do porquê."""
        try:
            return self._answers.get(timeout=START)
        except queue.Empty:
            self._kill()
            return f"{_NOT_STARTED} em {START:g} s: a máquina está ocupada?"

    def _crash(self) -> str:
        assert self._process
        try:
            code = self._process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:  # ele continua: foi a resposta que não se soube ler
            self._kill()
            return "Sua função devolveu um objeto que não passa a outro processo."
        self._kill()
        return f"Seu código encerrou o processo em que rodava (código {code}): há um exit()?"

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        with suppress(AttributeError, RuntimeError):  # a célula parou antes de ela começar
            self._reader.join(TIMEOUT)
        assert process.stdin
        with suppress(OSError):
            process.stdin.close()


def family(pid: int) -> "list[psutil.Process]":
    """Um processo e os seus: no Windows, o python de uma .venv abre o verdadeiro.

    Erros:
        psutil.Error: ele já acabou.
    """
    import psutil

    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def worked(pid: int) -> float:
    """Quantos segundos de processador este processo já teve; 0, se acabou."""
    import psutil

    with suppress(psutil.Error, OSError):  # há erros do Windows que o psutil não traduz
        return sum(sum(process.cpu_times()[:2]) for process in family(pid))
    return 0.0


def waits_for_its_turn(pid: int, besides: int | None = None) -> bool:
    """Se alguma thread dele quer o processador, ou está parada (T); no Linux (proc(5), stat).

    Olha-se mais de uma vez: a que se viu dormindo pode receber a vez da que se olha em seguida.

    Argumentos:
        besides: a identidade, no sistema, de uma thread que não conta.
    """
    threads = Path(f"/proc/{pid}/task")
    for look in range(_LOOKS if threads.exists() else 0):
        sleep(_BETWEEN if look else 0)
        for stat in threads.glob("*/stat"):
            if stat.parent.name == str(besides):
                continue
            with suppress(OSError):  # esta thread acabou agora
                if stat.read_text().rpartition(")")[2].split()[0] in "RT":
                    return True
    return False


def hunger(pid: int) -> Callable[[], bool]:
    """Uma pergunta: se o processo quer o processador e quase não o teve desde a vez anterior.

    Numa máquina ocupada, é o caso de quem parece parado; um laço sem fim tem o processador. Da
    primeira vez, que só marca o começo, a resposta é sim.
    """
    before: float | None = None

    def asked() -> bool:
        nonlocal before
        last, before = before, worked(pid)
        return last is None or (before - last < _TURN and waits_for_its_turn(pid))

    return asked


def _read(
    stream: BinaryIO, answers: queue.SimpleQueue[Any], reports: queue.SimpleQueue[Any]
) -> None:
    """Lê o que o outro processo diz, até ele acabar: a resposta, e as notícias que se pedem."""
    with stream:
        while True:
            try:
                said = pickle.load(stream)
            except Exception:  # o fim do pipe, ou um objeto cortado ao meio pela queda
                answers.put(_ENDED)
                return reports.put(None)
            is_report = isinstance(said, tuple) and len(said) == 5  # uma resposta tem 4
            (reports if is_report else answers).put(said)


def _sent(value: Any) -> bytes:
    """O mesmo, para ir ao outro processo, aonde uma trava chega como uma nova, e solta.

    Um Struct, uma função com cache e um memoryview, que pickle não leva, chegam como eram.
    """
    import cloudpickle  # type: ignore[import-untyped]

    known: dict[type, Callable[[Any], Any]] = {
        type(threading.Lock()): lambda _: (threading.Lock, ()),
        type(threading.RLock()): lambda _: (threading.RLock, ()),
        struct.Struct: lambda form: (struct.Struct, (form.format,)),
        type(cache(len)): lambda cached: (cache, (cached.__wrapped__,)),
        memoryview: lambda view: (memoryview, (bytearray(view),)),
    }
    table = cloudpickle.Pickler.dispatch_table.new_child(known)
    pickler = type("Pickler", (cloudpickle.Pickler,), {"dispatch_table": table})
    pickler(data := io.BytesIO()).dump(value)
    return data.getvalue()


def _sources(functions: tuple[Any, ...]) -> dict[str, list[str]]:
    """As linhas das células de onde vêm as funções: com elas se explica onde pararam."""
    files = set()
    for function in map(innermost, functions):
        space = getattr(function, "__globals__", {})
        near = [v for v in space.values() if type(v) is FunctionType and v.__globals__ is space]
        files |= {f.__code__.co_filename for f in (function, *near) if hasattr(f, "__code__")}
    found = {file: linecache.getlines(file) for file in files}
    return {file: lines for file, lines in found.items() if lines}


def _stuck(functions: tuple[Any, ...]) -> list[str]:
    """Os nomes de fora que estas funções usam e que não passam a outro processo."""
    used: dict[str, Any] = {}
    for function in filter(inspect.isfunction, map(innermost, functions)):
        with suppress(ValueError):  # usa um nome da função de fora que ainda não tem valor
            outside = inspect.getclosurevars(function)
            used |= {**outside.globals, **outside.nonlocals}
    stuck = []
    for name, value in used.items():
        try:
            _sent(value)
        except Exception:
            stuck.append(name)
    return stuck


def _not_a_function(function: Any) -> str:
    """O que dizer de quem deu um valor onde se pede uma função; ou ""."""
    given = innermost(function)
    if isinstance(given, partial) and is_ours(given.func):
        given = given.args[-1]  # dentro do partial da verificação, nada se chama
    what = "e o nome que você deu guarda outra coisa"  # por baixo dela só há uma nossa
    if not callable(given):
        what = f"e recebi {reprlib.repr(given)}"
    elif not str(getattr(given, "__module__", "")).startswith("echo_lib.checks"):
        return ""
    return f"Esperava uma função, {what}: escreva-a com def, e dê só o nome, sem parênteses."


def _outside(functions: tuple[Any, ...]) -> list[str]:
    """Os nomes de fora, com dados, que estas funções leem, e que talvez devessem ser delas."""
    space: dict[str, Any] = {}
    names: set[str] = set()
    for function in filter(inspect.isfunction, map(innermost, functions)):
        space |= function.__globals__
        for code in codes(function):
            names |= {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    values = ((name, space.get(name)) for name in names & _OF_THE_LESSONS)
    # Pelo nome: importar echo_lib.capture em todo processo demoraria.
    return sorted(n for n, v in values if isinstance(v, _DATA) or type(v).__name__ == "Capture")


def codes(function: Any) -> list[CodeType]:
    """O código de uma função, ou de um programa, e o das funções e compreensões de dentro dele."""
    own = function if isinstance(function, CodeType) else getattr(function, "__code__", None)
    found: list[CodeType] = [own] if own else []
    for code in found:
        found += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
    return found


def useless(*functions: Any) -> str:
    """O que dizer das linhas que nada fazem, como `conn.close` e `n == n + 1`; ou ""."""
    said: dict[str, None] = {}
    for code in itertools.chain.from_iterable(map(codes, functions)):
        steps = [step for step in dis.get_instructions(code) if step.opname not in _ARGUMENTS]
        said |= dict.fromkeys(filter(None, map(_thrown_away, steps, steps[1:], steps[2:])))
    return "\n".join(said)


def _thrown_away(first: dis.Instruction, second: dis.Instruction, third: dis.Instruction) -> str:
    """O que dizer, se destas três instruções o valor é jogado fora (POP_TOP); ou ""."""
    name = first.argval
    if (first.opname, second.opname) == _NAMED:
        method = any(callable(getattr(kind, name, None)) for kind in _KINDS)
        return f"Sem os parênteses da chamada, .{name} não faz nada." if method else ""
    since_312 = first.opname == "LOAD_ATTR" and "NULL" in first.argrepr
    method = since_312 or first.opname == "LOAD_METHOD"
    if method and name in _OF_VALUES and second.opname in _CALLS and third.opname == "POP_TOP":
        return f"Sozinho numa linha, .{name}() se perde: guarde com = o que ele devolve."
    if first.opname == "LOAD_ATTR" and not method and second.opname.startswith(_CONDITIONS):
        called = any(callable(getattr(kind, name, None)) for kind in (*_KINDS, threading.Event))
        return f"Sem os parênteses da chamada, .{name} numa condição vale True." if called else ""
    if second.opname != "POP_TOP":
        return ""
    if first.opname == "COMPARE_OP" and name == "==":
        return "== só compara: quem guarda é um = só, ou +=."
    if first.opname == "BINARY_OP" and first.argrepr in ("+", "-"):
        return "Uma conta sozinha numa linha se perde: guarde o resultado com = ou +=."
    return ""


def _merged(*traces: Sequence[Event]) -> list[Event]:
    """Eventos de processos diferentes num só rastro, com os números de um só.

    O relógio é o mesmo: perf_counter conta desde que a máquina ligou, em todos os processos.
    """
    sockets: dict[tuple[int, int], int] = {}
    connections: dict[frozenset[Any], int] = {}
    every = [(place, event) for place, events in enumerate(traces) for event in events]
    every.sort(key=lambda found: found[1].time)
    merged = []
    for number, (place, event) in enumerate(every, 1):
        connection = event.connection
        if connection is not None:
            ends = frozenset((event.local, event.peer))
            connection = connections.setdefault(ends, len(connections) + 1)
        known = sockets.setdefault((place, event.socket), len(sockets) + 1)
        merged.append(replace(event, number=number, socket=known, connection=connection))
    return merged
