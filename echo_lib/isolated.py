"""O código do aluno num processo à parte: um laço sem fim, ou uma queda, não alcança o notebook.

`Learner` é o lado de quem verifica; `python -m echo_lib.isolated`, o processo em que o código
roda. Os dois trocam objetos pickle por pipes que só eles têm. Cada chamada tem o seu rastro, e os
das duas pontas viram um só, para o diagrama.
"""

from __future__ import annotations

import builtins
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
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from types import CodeType
from typing import TYPE_CHECKING, Any, BinaryIO, Self
from weakref import WeakKeyDictionary

from echo_lib import trace as tracing
from echo_lib.errors import Address, explain
from echo_lib.trace import Event, Trace, TracedSocket

if TYPE_CHECKING:
    import psutil

TIMEOUT = 3.0  # segundos que o código do aluno tem para cada chamada
PATIENCE = 5  # prazos ao todo, para quem anda devagar sem parar
_TURN = 0.1  # segundos de processador: quem os teve, e nada leu, não vai ler
WORK = 3.0  # segundos de processador: quem já os teve não anda devagar, não acaba
ANSWER = 5.0  # segundos para o processo dizer o que já fez: numa máquina ocupada, demora
START = 30.0  # segundos para o processo aparecer: numa máquina lenta, importar demora
NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # no Windows, sem abrir um console
SENT_AT_ONCE = 1000  # bytes que um send() aceita aqui; send(2) pode sempre aceitar só uma parte
_SHOWN = 2000  # caracteres do que o código imprimiu
BUFFER = 2**16  # bytes que o sistema guarda em cada ponta: sem um limite, são muitos MiB
EVENTS = 4000  # o rastro de uma chamada: cabe 1 MiB aos pedaços de 1000 bytes, ida e volta
_ENDED = object()  # o processo acabou
NEVER_ENDED = "Seu código não terminou: espera bytes que não vêm, ou um laço não acaba?"
_AFTER_THE_SOCKET = {"n", "texto", "placar", "sala", "trava"}  # como as lições os chamam
# Como as lições chamam o que uma célula guarda, e que uma função costuma ter de seu.
_OF_THE_LESSONS = {
    "conversa",
    "perda",
    "dados",
    "mensagem",
    "parte",
    "eco",
    "texto",
    "resposta",
    "host",
    "porta",
    "n",
}
_DATA = (str, bytes, bytearray, int, float, tuple, list, dict, set)
_note = TracedSocket._note
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
        self._reports = itertools.count()  # cada pedido de notícias tem um número
        self._events: list[Event] = []
        self._early: Any = None  # a resposta que chegou enquanto se olhava
        self._failed = ""
        self.not_a_function = next(filter(None, map(_not_a_function, functions)), "")
        self.outside = _outside(functions)  # as variáveis do notebook que o código lê
        self.where = ""  # a linha do aluno em que o código estava quando o prazo acabou
        self._before = 0.0  # o processador que as chamadas anteriores usaram
        self.trace = Trace(EVENTS)  # o que fazem as pontas de quem verifica
        self._peers: list[socket.socket] = []
        try:
            self._failed = self.not_a_function
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
                "processo, aonde isso não chega: use os argumentos dela; um socket ou um servidor "
                "já abertos no notebook não servem."
            )

    def __enter__(self) -> Self:
        if not self._failed:
            self._open()
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
        peer = TracedSocket(socket.AF_INET, socket.SOCK_STREAM, trace=self.trace)
        limit_buffers(peer)
        self._peers.append(peer)
        peer.settimeout(TIMEOUT)
        with suppress(OSError):  # o código já acabou, e `result` dirá como
            peer.connect(address)
        return peer

    def result(self, timeout: float | None = None) -> tuple[Any, str]:
        """O que a chamada devolveu e o erro explicado ("" se não houve).

        Argumentos:
            timeout: segundos de espera; se omitido, TIMEOUT, e até PATIENCE vezes isso enquanto
                passam bytes e o código não teve WORK segundos de processador. Acabada a espera, o
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
        value, error, self._events = answer
        return value, error

    def _awaited(self, timeout: float | None) -> Any:
        """A resposta, ou None se ela não veio no prazo."""
        with suppress(queue.Empty):
            return self._next(TIMEOUT if timeout is None else timeout)
        for _ in range(PATIENCE - 1 if timeout is None else 0):
            now, report = perf_counter(), self._asked()
            if report is None or self._early is not None:  # nem responde, ou acabou
                return self._early
            assert self._process
            moved = max((event.time for event in report[0] if event.size), default=0.0)
            if now - moved > TIMEOUT / 2 or worked(self._process.pid) - self._before > WORK:
                break
            with suppress(queue.Empty):
                return self._next(TIMEOUT)
        with suppress(queue.Empty):
            return self._next(0.001)
        report = self._asked()
        if report and self._early is None:
            self._events, self.where = report
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
            self._early = self._early or self._next(wait)
        if self._early is not None or self._process is None:
            self._events = self._early[2] if self._early and self._early is not _ENDED else []
        elif report := self._asked():
            self._events, _ = report
        return self.own_events()

    def _asked(self) -> Any:
        """O rastro da chamada em curso e a linha do aluno; None se não respondeu, ou acabou."""
        number = next(self._reports)
        self._tell(("report", number))
        with suppress(queue.Empty):
            while (answer := self._answers.get(timeout=ANSWER)) is not _ENDED:
                if _is_report(answer) and answer[1] == number:
                    return answer[2:]
                if not _is_report(answer):
                    self._early = answer  # acabou nesse meio-tempo
            self._early = answer
        return None

    def events(self) -> tuple[Event, ...]:
        """As chamadas de socket da última chamada, das duas pontas, em ordem de tempo."""
        return tuple(_merged(self._events, self.trace.events()))

    def own_events(self) -> tuple[Event, ...]:
        """Destas chamadas, só as do código do aluno."""
        return tuple(self._events)

    def _begin(
        self, what: str, arguments: tuple[Any, ...], function: int, pieces: Sequence[int]
    ) -> None:
        for peer in self._peers:  # os da chamada anterior
            peer.close()
        self._peers, self._events, self._early, self.where = [], [], None, ""
        if what != "call":  # o servidor ao lado, de uma chamada simples, já está no rastro
            self.trace = Trace(EVENTS)
        if self._failed:
            return
        if self._process is None:  # a chamada anterior não acabou: outro processo
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
        self._answers = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "echo_lib.isolated"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            creationflags=NO_WINDOW,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        )
        assert self._process.stdout
        given = (self._process.stdout, self._answers)
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
            case str(error) | (_, str(error), _):
                self._failed = error
        self._failed = self._failed or self._crash()
        return "127.0.0.1", 1

    def _first_word(self) -> Any:
        """O que o outro processo diz ao começar; se demora demais, acaba, e o texto do porquê."""
        try:
            return self._next(START)
        except queue.Empty:
            self._kill()
            return f"{_NOT_STARTED} em {START:g} s: a máquina está ocupada?"

    def _next(self, timeout: float) -> Any:
        """O que o outro processo disse, sem os rastros que vieram depois do prazo de quem os pediu.

        Erros:
            queue.Empty: ele não disse nada em `timeout` segundos.
        """
        while _is_report(answer := self._answers.get(timeout=timeout)):
            pass
        return answer

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
        self._reader.join(TIMEOUT)
        assert process.stdin
        with suppress(OSError):
            process.stdin.close()


def limit_buffers(sock: socket.socket) -> None:
    """Antes de listen aceitar, ou de connect: as conexões aceitas os herdam (tcp(7))."""
    for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, buffer, BUFFER)


def family(pid: int) -> list[psutil.Process]:
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

    with suppress(psutil.Error):
        return sum(sum(process.cpu_times()[:2]) for process in family(pid))
    return 0.0


def waits_for_its_turn(pid: int, besides: int | None = None) -> bool:
    """Se alguma thread dele quer o processador, ou está parada (T); no Linux (proc(5), stat).

    Argumentos:
        besides: a identidade, no sistema, de uma thread que não conta.
    """
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
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


def _is_report(answer: Any) -> bool:
    return isinstance(answer, tuple) and answer[:1] == ("report",)


def _read(stream: BinaryIO, answers: queue.SimpleQueue[Any]) -> None:
    """Lê o que o outro processo diz, até ele acabar."""
    with stream:
        while True:
            try:
                answers.put(pickle.load(stream))
            except Exception:  # o fim do pipe, ou um objeto cortado ao meio pela queda
                return answers.put(_ENDED)


def _pickled(value: Any) -> bytes:
    import cloudpickle  # type: ignore[import-untyped]

    return bytes(cloudpickle.dumps(value))


def _sent(value: Any) -> bytes:
    """O mesmo, para ir ao outro processo, aonde uma trava chega como uma nova, e solta.

    Um Struct, uma função com cache e um memoryview, que pickle não leva, chegam como eram.
    """
    import cloudpickle

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
    for function in map(_innermost, functions):
        space = getattr(function, "__globals__", {})
        near = [v for v in space.values() if getattr(v, "__globals__", None) is space]
        files |= {f.__code__.co_filename for f in (function, *near) if hasattr(f, "__code__")}
    found = {file: linecache.getlines(file) for file in files}
    return {file: lines for file, lines in found.items() if lines}


def _stuck(functions: tuple[Any, ...]) -> list[str]:
    """Os nomes de fora que estas funções usam e que não passam a outro processo."""
    used: dict[str, Any] = {}
    for function in filter(inspect.isfunction, map(_innermost, functions)):
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
    given = _innermost(function)
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
    for function in filter(inspect.isfunction, map(_innermost, functions)):
        space |= function.__globals__
        names |= set(_globals_read(function))
    return sorted(n for n in names & _OF_THE_LESSONS if _is_data(space.get(n)))


def _is_data(value: Any) -> bool:
    # Pelo nome: importar echo_lib.capture em todo processo demoraria.
    return isinstance(value, _DATA) or type(value).__name__ == "Capture"


def _globals_read(function: Any) -> Iterator[str]:
    """Os nomes de fora que uma função lê, com os das funções e compreensões de dentro dela."""
    codes = [function.__code__] if inspect.isfunction(function) else []
    for code in codes:
        yield from (i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL")
        codes += [inner for inner in code.co_consts if isinstance(inner, CodeType)]


def _innermost(function: Any) -> Any:
    """A função do aluno, por dentro de um partial ou de uma nossa que a chama."""
    inside: list[Any] = []
    if isinstance(function, partial):
        inside = [*function.args]
    elif str(getattr(function, "__module__", "")).startswith("echo_lib"):
        inside = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    inner = [found for found in inside if callable(found)]
    return _innermost(inner[-1]) if inner else function


def _merged(*traces: Sequence[Event]) -> list[Event]:
    """Eventos de processos diferentes num só rastro, com os números de um só.

    O relógio é o mesmo: perf_counter conta desde que a máquina ligou, em todos os processos.
    """
    sockets: dict[tuple[int, int], int] = {}
    connections: dict[frozenset[Any], int] = {}
    every = sorted(
        ((event.time, place, event) for place, events in enumerate(traces) for event in events),
        key=lambda found: found[:2],
    )
    merged = []
    for number, (_, place, event) in enumerate(every, 1):
        connection = event.connection
        if connection is not None:
            ends = frozenset((event.local, event.peer))
            connection = connections.setdefault(ends, len(connections) + 1)
        known = sockets.setdefault((place, event.socket), len(sockets) + 1)
        merged.append(replace(event, number=number, socket=known, connection=connection))
    return merged


# Daqui para baixo, o que roda no outro processo.


def _main() -> None:
    """Recebe as funções, e depois, uma a uma, as chamadas; acaba quando o pipe fecha."""
    given, answers = _take_streams()
    worker = _Worker(answers)
    builtins.display = print  # type: ignore[attr-defined]  # no notebook, ele existe
    warnings.filterwarnings("ignore", "coroutine .* was never awaited")  # o erro já o diz
    try:
        with Trace(1):  # quem fez `from socket import *` também recebe o socket rastreado
            worker.functions, sources = pickle.loads(pickle.load(given))
    except Exception as error:
        return worker.say(f"Seu código não pôde ser lido: {type(error).__name__}: {error}")
    for file, lines in sources.items():
        linecache.cache[file] = (sum(map(len, lines)), None, lines, file)
    worker.sources = frozenset(sources)
    worker.say("")
    commands: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(given, commands, worker), daemon=True).start()
    while True:
        worker.run(*commands.get())


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Guarda os pipes e deixa ao código do aluno uma entrada vazia e uma saída de ninguém."""
    given, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    return given, answers


def _listen(given: BinaryIO, commands: queue.SimpleQueue[Any], worker: _Worker) -> None:
    """Recebe os pedidos. Se quem verifica acabou, acaba também, esteja o aluno onde estiver."""
    while True:
        try:
            command = pickle.load(given)
        except Exception:
            os._exit(0)
        if command[0] == "report":
            worker.report(command[1])
        else:
            worker.trace = Trace(EVENTS)  # aqui: quem pergunta logo não recebe o da anterior
            commands.put(command)


class _Worker:
    """Uma chamada por vez, com o seu rastro e o que ela imprimiu."""

    def __init__(self, answers: BinaryIO) -> None:
        self.functions: tuple[Callable[..., Any], ...] = ()
        self.sources: frozenset[str] = frozenset()
        self._answers = answers
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self.trace = Trace(EVENTS)

    def say(self, answer: Any) -> None:
        data = _pickled(answer)
        with self._lock, suppress(OSError):
            self._answers.write(data)
            self._answers.flush()

    def report(self, number: int) -> None:
        """Responde sobre o que ainda não acabou."""
        with self._asking:  # um laço que não para de enviar ou receber espera a resposta sair
            self.say(("report", number, _sendable(self.trace.events()), self._where()))

    def _where(self) -> str:
        """A linha do aluno que a chamada executa agora, ou "" se não é uma dele."""
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        while frame and frame.f_code.co_filename not in self.sources:
            frame = frame.f_back
        return linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip() if frame else ""

    def run(self, what: str, function: int, arguments: tuple[Any, ...], pieces: list[int]) -> None:
        _limit(pieces, self._asking)
        socket.setdefaulttimeout(None)  # o que a chamada anterior mudou não é desta
        shown = sys.stdout = sys.stderr = io.StringIO()
        value, error, opened = None, "", self._open(what)
        try:
            with self.trace:
                if isinstance(opened, int):
                    opened = TracedSocket(fileno=opened)
                given = () if opened is None else (opened,)
                value = self.functions[function](*given, *arguments)
        except BaseException as problem:  # é o código do aluno: até um sys.exit() é resposta
            error = told(problem, self.sources) + _swapped(self.functions[function], given)
        if isinstance(opened, socket.socket):  # a outra ponta não espera à toa
            with suppress(OSError):  # sem rastro: não foi o aluno
                socket.SocketType.shutdown(opened, socket.SHUT_RDWR)
            opened.close()
        if error and shown.getvalue():
            error += f" Antes, ele mostrou: {shown.getvalue()[:_SHOWN]!r}."
        events = _sendable(self.trace.events())
        try:
            pickle.loads(_pickled(value))  # há o que vai e não volta, como certas exceções
            self.say((value, error, events))
        except Exception as problem:
            kind = f"um objeto {type(value).__name__}, que não passa a outro processo ({problem})"
            kind = _as_a_socket(kind)
            if inspect.iscoroutine(value):
                kind = "uma corrotina: com async def ela nem começa. Use def, sem async e sem await"
            if isinstance(value, Iterator):
                kind = f"um {type(value).__name__}, que só dá valores a quem os pede: use list(…)"
            if isinstance(value, list) and any(map(callable, value)):
                kind = "uma lista com uma função dentro: faltaram os parênteses que a chamam"
            self.say((None, f"Sua função devolveu {kind}.", events))

    def _open(self, what: str) -> socket.socket | int | None:
        """O primeiro argumento da chamada: nada, quem escuta ou o descritor de uma conexão."""
        if what == "call":
            return None
        if what == "listen":
            with self.trace:
                listener = socket.create_server(("127.0.0.1", 0))
            limit_buffers(listener)
            self.say(listener.getsockname())
            return listener
        with socket.create_server(("127.0.0.1", 0)) as listener:
            limit_buffers(listener)
            self.say(listener.getsockname())
            listener.settimeout(START)
            conn, address = listener.accept()
        conn.setblocking(True)  # o prazo é de quem verifica, não do código do aluno
        self.say(address)
        return conn.detach()


def _swapped(function: Any, given: tuple[Any, ...]) -> str:
    """Se o socket que a função recebe primeiro não é, no def dela, o primeiro parâmetro."""
    with suppress(TypeError, ValueError):
        first, *_ = inspect.signature(_innermost(function)).parameters
        if given and first in _AFTER_THE_SOCKET:
            return f"\nA função recebe o socket primeiro, e nela o primeiro parâmetro é {first}."
    return ""


def _limit(pieces: list[int], asking: threading.Lock) -> None:
    """Faz cada recv trazer no máximo o pedaço seguinte, e cada send aceitar só uma parte.

    As duas coisas o sistema pode fazer sempre (recv(2) e send(2)); aqui ele as faz de propósito. E
    numa conexão que caiu, todo recv repete o erro, como no Windows (no Linux, só o primeiro o diz).
    Fonte: learn.microsoft.com, «recv function», WSAECONNRESET.

    Argumentos:
        asking: trava de quem responde sobre a chamada; enquanto a tem, nada se envia nem recebe.
    """
    left: WeakKeyDictionary[socket.socket, list[int]] = WeakKeyDictionary()
    fallen: WeakKeyDictionary[socket.socket, OSError] = WeakKeyDictionary()
    plain = tracing._plain_socket

    def note(sock: TracedSocket, start: float, call: str, *rest: Any, **named: Any) -> None:
        error = named.get("error")
        if call in tracing.SENDS | tracing.RECEIVES and isinstance(error, ConnectionError):
            fallen[sock] = error
        _note(sock, start, call, *rest, **named)

    def recv(sock: socket.socket, size: int, flags: int = 0) -> bytes:
        with asking:
            pass
        if sock in fallen:
            raise type(fallen[sock])(*fallen[sock].args)
        waiting = left.setdefault(sock, [piece for piece in pieces if piece])
        whole = not waiting or flags & getattr(socket, "MSG_WAITALL", 0)
        data = plain.recv(sock, size if whole else min(size, waiting[0]), flags)
        if waiting and not flags & socket.MSG_PEEK:
            waiting[0] -= min(len(data), waiting[0])
            if not waiting[0]:
                del waiting[0]
        return data

    def send(sock: socket.socket, data: Any, flags: int = 0) -> int:
        with asking:
            pass
        return plain.send(sock, memoryview(data)[:SENT_AT_ONCE], flags)

    def recv_into(sock: socket.socket, buffer: Any, size: int, flags: int) -> int:
        data = recv(sock, size, flags)
        memoryview(buffer).cast("B")[: len(data)] = data
        return len(data)

    def recvfrom(sock: socket.socket, size: int, flags: int = 0) -> tuple[bytes, None]:
        return recv(sock, size, flags), None

    def recvmsg(sock: TracedSocket, size: int, *rest: Any) -> tuple[bytes, list[Any], int, None]:
        return sock.recv(size, *rest[1:]), [], 0, None  # o do meio é para dados auxiliares

    def recvfrom_into(sock: TracedSocket, *given: Any) -> tuple[int, None]:
        return sock.recv_into(*given), None

    def recvmsg_into(sock: TracedSocket, buffers: Any, *rest: Any) -> tuple[Any, ...]:
        return sock.recv_into(next(iter(buffers)), 0, *rest[1:]), [], 0, None

    tracing._recv, tracing._send = recv, send  # type: ignore[assignment]
    tracing._recv_into = recv_into  # type: ignore[assignment]
    tracing._recvfrom = recvfrom  # type: ignore[assignment]
    TracedSocket.recvfrom_into = recvfrom_into  # type: ignore[assignment,method-assign]
    if hasattr(plain, "recvmsg"):  # não há no Windows
        TracedSocket.recvmsg = recvmsg  # type: ignore[assignment,method-assign]
        TracedSocket.recvmsg_into = recvmsg_into  # type: ignore[assignment,method-assign]
    TracedSocket._note = note  # type: ignore[assignment,method-assign]


def told(problem: BaseException, sources: Set[str]) -> str:
    """O erro, a linha do aluno em que nasceu e a explicação.

    Argumentos:
        sources: os arquivos, ou células, do aluno.
    """
    name = type(problem).__name__
    known = next(kind for kind in type(problem).__mro__ if kind.__module__ == builtins.__name__)
    if known.__name__ != name:  # uma exceção do aluno, ou de um módulo: de que família é
        name = name if name != "error" else f"{type(problem).__module__}.error"  # struct.error
        name = f"{known.__name__} ({name})"
    frames = traceback.extract_tb(problem.__traceback__)
    own = [frame.line for frame in frames if frame.filename in sources and frame.line]
    where = f", em `{own[-1]}`" if own else ""
    explanation = explain(problem)
    reason = f"\n{explanation}" if explanation else ""
    text = _as_a_socket(str(problem))
    text = f": {text.removesuffix('.')}" if text else ""
    return f"Seu código parou com {name}{text}{where}.{reason}"


def _as_a_socket(text: str) -> str:
    """O texto de um erro, em que o socket que o aluno criou é um socket, e não o nosso."""
    return text.replace(f"{TracedSocket.__module__}.T", "socket.T").replace(
        "TracedSocket", "socket"
    )


def _sendable(events: list[Event]) -> list[Event]:
    """Os eventos, com erros que sempre passam de um processo a outro."""
    return [
        event
        if event.error is None or type(event.error).__module__ == builtins.__name__
        else replace(event, error=OSError(str(event.error)))
        for event in events
    ]


if __name__ == "__main__":
    _main()
