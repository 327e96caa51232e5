"""O processo em que roda o código do aluno: recebe as funções e as chamadas, e diz o que houve.

É o outro lado de `isolated.Learner`, que o abre; os dois trocam objetos pickle por pipes que só
eles têm. Cada verificação abre um destes: aqui só se importa aquilo de que todo código precisa.
"""

import builtins
import inspect
import io
import linecache
import os
import pickle
import queue
import re
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import sleep
from typing import Any, BinaryIO
from weakref import WeakKeyDictionary

from echo_lib import trace as tracing
from echo_lib.errors import explain, printable
from echo_lib.trace import Event, Trace, TracedSocket

START = 30.0  # segundos para o processo aparecer: numa máquina lenta, importar demora
SENT_AT_ONCE = 1000  # bytes que um send() aceita aqui; send(2) pode sempre aceitar só uma parte
BUFFER = 2**16  # bytes que o sistema guarda em cada ponta: sem um limite, são muitos MiB
EVENTS = 4000  # o rastro de uma chamada: cabe 1 MiB aos pedaços de 1000 bytes, ida e volta
_TRACEBACK = "Traceback (most recent call last)"  # o do asyncio; do erro, a resposta já diz tudo
_SHOWN, _LINES = 400, 8  # caracteres, e linhas, do que o código imprimiu
_AFTER_THE_SOCKET = {"n", "texto", "placar", "sala", "trava"}  # como as lições os chamam
# O que o Python diz ao avisar, e o que dizer ao aluno.
MIXED = {
    " and string": "texto: nunca são iguais. Ponha b antes das aspas, ou faça texto com decode().",
    " and int": "um número: nunca são iguais. dados[0] é um número; dados[0:1], bytes.",
}
_note = TracedSocket._note


def limit_buffers(sock: socket.socket) -> None:
    """Antes de listen aceitar, ou de connect: as conexões aceitas os herdam (tcp(7))."""
    for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, buffer, BUFFER)


def is_ours(function: Any) -> bool:
    """Se uma função é do kit, e não do aluno."""
    return str(getattr(function, "__module__", "")).startswith("echo_lib")


def innermost(function: Any) -> Any:
    """A função do aluno, por dentro de um partial ou de uma nossa que a chama."""
    inside: list[Any] = []
    if isinstance(function, partial):
        inside = [*function.args]
    elif is_ours(function):
        inside = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    inner = [found for found in inside if callable(found)]
    return innermost(inner[-1]) if inner else function


def _main() -> None:
    """Recebe as funções, e depois, uma a uma, as chamadas; acaba quando o pipe fecha."""
    given, answers = _take_streams()
    worker = _Worker(answers)
    builtins.display = print  # type: ignore[attr-defined]  # no notebook, ele existe
    warnings.showwarning = worker.note_warning  # type: ignore[assignment]
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


def _listen(given: BinaryIO, commands: queue.SimpleQueue[Any], worker: "_Worker") -> None:
    """Recebe os pedidos. Se quem verifica acabou, acaba também, esteja o aluno onde estiver."""
    while True:
        try:
            command = pickle.load(given)
        except Exception:
            os._exit(0)
        if command[0] == "report":
            worker.report(*command[1:])
        else:
            worker.trace = Trace(EVENTS)  # aqui: quem pergunta logo não recebe o da anterior
            commands.put(command)


def _pickled(value: Any) -> bytes:
    import cloudpickle  # type: ignore[import-untyped]

    return bytes(cloudpickle.dumps(value))


class _Screen(io.StringIO):
    """O começo do que a chamada imprime: um laço sem fim encheria a memória."""

    def write(self, text: str) -> int:
        super().write(text[: max(0, _SHOWN + 1 - self.tell())])
        return len(text)

    def close(self) -> None:
        """Nada: o que foi impresso ainda se lê, mesmo que o código feche sys.stdout."""


class _Worker:
    """Uma chamada por vez, com o seu rastro e o que ela imprimiu."""

    def __init__(self, answers: BinaryIO) -> None:
        self.functions: tuple[Callable[..., Any], ...] = ()
        self.sources: frozenset[str] = frozenset()
        self.mixed = ""  # o que dizer de quem compara bytes com o que nunca lhes é igual
        self.alone = ""  # e de uma corrotina que ninguém esperou
        self.shown = _Screen()
        self._answers = answers
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self.trace = Trace(EVENTS)

    def say(self, answer: Any) -> None:
        data = _pickled(answer)
        with self._lock, suppress(OSError):
            self._answers.write(data)
            self._answers.flush()

    def report(self, number: int, whole: bool) -> None:
        """Responde sobre o que ainda não acabou: o rastro, ou só quando passou o último byte."""
        with self._asking:  # um laço que não para de enviar ou receber espera a resposta sair
            found = _sendable(self.trace.events()) if whole else self.trace.moved()
            self.say(("report", number, found, self._where(), self.notes()))

    def _where(self) -> str:
        """A linha do aluno que a chamada executa agora, ou "" se não é uma dele."""
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        while frame and frame.f_code.co_filename not in self.sources:
            frame = frame.f_back
        return linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip() if frame else ""

    def notes(self) -> str:
        """O que dizer além da resposta: o aviso do Python, e o que o código imprimiu."""
        shown = self.shown.getvalue()
        if not shown.strip() or _TRACEBACK in shown:
            return self.mixed or self.alone
        lines = shown[:_SHOWN].splitlines()
        more = len(shown) > _SHOWN or len(lines) > _LINES
        told = ["Seu código mostrou:", *("  " + printable(line) for line in lines[:_LINES])]
        told += ["  …"] * more
        return "\n".join(filter(None, [self.mixed or self.alone, *told]))

    def note_warning(self, message: Any, category: type, file: str, line: int, *rest: Any) -> None:
        """Guarda a comparação de bytes com texto ou número, e a corrotina que ninguém esperou.

        Fonte: docs.python.org/3/using/cmdline.html (-b); library/asyncio-dev.html.
        """
        if found := re.match("coroutine '(.+)' was never awaited", str(message)):
            name = found[1].rpartition(".")[2]
            own = [getattr(innermost(function), "__name__", "") for function in self.functions]
            if name not in own:  # da própria resposta, diz quem a verifica
                self.alone = f"{name}() só cria a corrotina; quem a roda é await, ou asyncio.run."
        known = next((kind for kind in MIXED if str(message).endswith(kind)), "")
        if category is BytesWarning and known and file in self.sources:
            where = linecache.getline(file, line).strip()
            self.mixed = f"Em `{where}`, um lado é bytes, e o outro, {MIXED[known]}"

    def run(self, what: str, function: int, arguments: tuple[Any, ...], pieces: list[int]) -> None:
        _limit(pieces, self._asking)
        socket.setdefaulttimeout(None)  # o que a chamada anterior mudou não é desta
        self.shown = sys.stdout = sys.stderr = _Screen()
        value, error, opened = None, "", self._open(what)
        try:
            with self.trace:
                value = self.functions[function](*opened, *arguments)
        except BaseException as problem:  # é o código do aluno: até um sys.exit() é resposta
            error = told(problem, self.sources) + _swapped(self.functions[function], opened)
        self.alone = "" if error else self.alone  # o erro diz a causa
        for sock in opened:  # a outra ponta não espera à toa
            with suppress(OSError):  # sem rastro: não foi o aluno
                socket.SocketType.shutdown(sock, socket.SHUT_RDWR)
            sock.close()
        events = _sendable(self.trace.events())
        try:
            pickle.loads(_pickled(value))  # há o que vai e não volta, como certas exceções
            self.say((value, error, events, self.notes()))
        except Exception as problem:
            kind = f"um objeto {type(value).__name__}, que não passa a outro processo ({problem})"
            kind = _as_a_socket(kind)
            if inspect.iscoroutine(value):
                kind = "uma corrotina: com async def ela nem começa. Use def, sem async e sem await"
            if isinstance(value, Iterator):
                kind = f"um {type(value).__name__}, que só dá valores a quem os pede: use list(…)"
            if isinstance(value, list) and any(map(callable, value)):
                kind = "uma lista com uma função dentro: faltaram os parênteses que a chamam"
            self.say((None, f"Sua função devolveu {kind}.", events, self.notes()))

    def _open(self, what: str) -> tuple[socket.socket, ...]:
        """O primeiro argumento da chamada: nada, quem escuta ou uma conexão."""
        if what == "call":
            return ()
        if what == "listen":
            with self.trace:
                listener = socket.create_server(("127.0.0.1", 0))
            limit_buffers(listener)
            self.say(listener.getsockname())
            return (listener,)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            limit_buffers(listener)
            self.say(listener.getsockname())
            listener.settimeout(START)
            conn, address = listener.accept()
        conn.setblocking(True)  # o prazo é de quem verifica, não do código do aluno
        self.say(address)
        with self.trace:
            return (TracedSocket(fileno=conn.detach()),)


def _swapped(function: Any, given: tuple[Any, ...]) -> str:
    """Se o socket que a função recebe primeiro não é, no def dela, o primeiro parâmetro."""
    with suppress(TypeError, ValueError):
        first, *_ = inspect.signature(innermost(function)).parameters
        if given and first in _AFTER_THE_SOCKET:
            return f"\nA função recebe o socket primeiro, e nela o primeiro parâmetro é {first}."
    return ""


def _limit(pieces: list[int], asking: threading.Lock) -> None:
    """Faz cada recv trazer no máximo o pedaço seguinte, e cada send aceitar só uma parte.

    As duas coisas o sistema pode fazer sempre (recv(2) e send(2)); aqui ele as faz de propósito. E
    numa conexão que caiu, todo recv repete o erro, como no Windows (no Linux, só o primeiro o diz).
    Enquanto se responde sobre a chamada (`asking`), nada se envia nem recebe.
    Fonte: learn.microsoft.com, «recv function», WSAECONNRESET.
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
        sleep(0)  # outra thread pode ter a vez, e escrever por cima num buffer que é das duas
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
    while isinstance(problem, BaseExceptionGroup) and len(problem.exceptions) == 1:
        problem = problem.exceptions[0]  # a de uma tarefa do asyncio, dentro de um grupo
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
