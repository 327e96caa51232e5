"""Respostas automáticas: o ambiente está pronto? O código do aluno faz o que devia?

Cada verificação roda o código do aluno com sockets de verdade, numa thread com prazo: um laço
sem fim não trava o notebook. A resposta diz o que se tentou, o que se esperava e o que veio.
Toda verificação devolve um Check, e nenhuma lança exceção por causa da resposta do aluno.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import queue
import re
import reprlib
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from echo_lib import network
from echo_lib.client import EchoClient
from echo_lib.errors import explain
from echo_lib.server import EchoServer
from echo_lib.trace import Trace

TIMEOUT = 3.0  # segundos que o código do aluno tem para cada mensagem
_MESSAGES = ("oi", "olá, ção 🗣️", "ação " * 400)  # esta, cortada em 1024, parte um ç
_STUB = "Ainda estão ali as reticências: troque-as pela sua resposta."


@dataclass(frozen=True)
class Check:
    """O resultado de uma verificação: passou ou não, e o que dizer."""

    ok: bool
    text: str

    def __str__(self) -> str:
        return f"{'✔' if self.ok else '✘'} {self.text}"

    __repr__ = __str__


def environment() -> list[Check]:
    """Confere o que as lições precisam, um item por linha."""
    packages = map(_package, ("jupyterlab", "ipywidgets", "anywidget"))
    return [_python(), *packages, _loopback(), _port(), _lan()]


def client(function: Callable[[str, int, str], str]) -> Check:
    """Verifica um cliente de eco do aluno.

    Argumentos:
        function: recebe host, porta e mensagem; devolve o texto do eco.
    """
    for message in _MESSAGES:
        with Trace() as trace, EchoServer(port=0, idle_timeout=TIMEOUT) as server:
            attempt = _Attempt(function, *server.address, message)
            try:
                answer, error = attempt.result(TIMEOUT)
            except queue.Empty:
                answer, error = None, "Ele não terminou: esperava no recv mais bytes do que o eco?"
                attempt.stop()
        shown = _brief(message)
        if error:
            return Check(False, f"Enviei {shown} ao seu cliente. {error}")
        if isinstance(answer, bytes):
            return Check(False, f"Com {shown}, esperava texto e recebi bytes. Faltou o decode?")
        if answer != message:
            hint = f"Com {shown}, esperava o mesmo texto de volta e recebi {_brief(answer)}."
            if isinstance(answer, str) and answer and message.startswith(answer):
                hint += " Veio só o começo: um recv(1024) pode não trazer tudo."
            elif answer is None:
                hint += " Faltou o return?"
            return Check(False, hint)
        arrived = sum(e.size for e in trace.events() if e.role == "server" and e.call == "recv")
        if arrived < len(message.encode()):  # o texto certo, mas sem passar pela rede
            return Check(False, f"Com {shown}, nada chegou ao servidor: conecte e envie.")
    return Check(True, "Seu cliente passou: texto curto, acentos, emoji e uma mensagem comprida.")


def server(
    function: Callable[[socket.socket], Any], answer: Callable[[bytes], bytes] = bytes
) -> Check:
    """Verifica a parte do servidor que atende um cliente.

    Argumentos:
        function: recebe `conn`, já conectado; deve responder até o cliente fechar, e voltar.
        answer: o que se espera de volta dos bytes enviados (padrão: os mesmos).
    """
    with _connection() as (peer, conn):
        attempt = _Attempt(_until_done, function, conn)
        try:
            for message in _MESSAGES:
                data = message.encode()
                received = _send_and_receive(peer, data)
                if received != answer(data):
                    return _wrong_answer(data, answer(data), received, attempt)
            peer.shutdown(socket.SHUT_WR)
            _, error = attempt.result(TIMEOUT)
        except queue.Empty:
            return Check(
                False, "O cliente fechou e o seu laço continua: recv devolve b'' para sempre."
            )
        finally:
            attempt.stop()
            _hang_up(conn)
    return Check(not error, error or "Seu servidor passou: três mensagens, uma comprida, e o fim.")


def gives_up(function: Callable[[socket.socket], Any], seconds: float) -> Check:
    """Verifica se o servidor do aluno desiste de um cliente calado, sem erro.

    Argumentos:
        function: recebe `conn`, já conectado.
        seconds: depois de quantos segundos de silêncio deve voltar.
    """
    with _connection() as (_, conn):
        attempt = _Attempt(function, conn)
        try:
            _, error = attempt.result(seconds + 1)
        except queue.Empty:
            return Check(False, "O cliente ficou calado e você continuou esperando.")
        finally:
            attempt.stop()
            _hang_up(conn)
    return Check(not error, error or "Seu servidor desiste de quem se cala.")


def address(host: object) -> Check:
    """Verifica se `host` é o endereço que um colega da rede local deve usar.

    Argumentos:
        host: a resposta do aluno, seja o que for.
    """
    if host is ...:
        return Check(False, _STUB)
    right = network.lan_address()
    if host == right:
        return Check(True, f"É esse: {right}." if right else "Isso: sem rede, não há endereço.")
    if callable(host):
        return Check(False, "Essa é a função. Faltaram os parênteses, para chamá-la.")
    if isinstance(host, network.Interface):
        return Check(False, "Quase: esse é o adaptador inteiro; pegue só o .address.")
    hints = {
        "127.0.0.1": "esse é o loopback: na máquina do colega, ele leva à máquina do colega.",
        "0.0.0.0": "esse serve para escutar, e não como destino.",
        "192.168.0.12": "esse é o do tutorial, e não o seu.",
    }
    hint = hints.get(str(host), "que função diz o endereço que a rede local vê?")
    return Check(False, f"Recebi {host!r}: {hint}")


def one_conversation(function: Callable[[str, int, str, str], list[str]]) -> Check:
    """Verifica um cliente que envia duas mensagens numa só conexão.

    Argumentos:
        function: recebe host, porta e duas mensagens; devolve a lista dos dois ecos.
    """
    expected = ["um", "ção"]
    with Trace() as trace, EchoServer(port=0, idle_timeout=TIMEOUT) as server:
        attempt = _Attempt(function, *server.address, *expected)
        try:
            answer, error = attempt.result(TIMEOUT)
        except queue.Empty:
            answer, error = None, "Seu código não terminou."
            attempt.stop()
    events = [event for event in trace.events() if event.role == "server"]
    connections = sum(event.call == "accept" for event in events)
    arrived = b"".join(event.data for event in events if event.call == "recv")
    if error or answer != expected:
        reason = error or "Devolva uma lista com os dois textos."
        return Check(False, f"Esperava {expected}, recebi {_brief(answer)}. {reason}")
    if connections != 1:
        return Check(False, f"Os ecos estão certos, mas esperava uma conexão e vi {connections}.")
    if arrived != "".join(expected).encode():
        return Check(False, f"Os textos estão certos, mas ao servidor chegou {arrived!r}.")
    return Check(True, "Certo: dois ecos, uma conexão.")


def listening(port: object, sock: object) -> Check:
    """Verifica se há um servidor escutando nesta porta, nesta máquina, com este socket.

    Argumentos:
        port, sock: as respostas do aluno, sejam o que forem.
    """
    if port is ...:
        return Check(False, _STUB)
    if isinstance(port, tuple):
        return Check(False, f"Veio o par {port}: a porta é o segundo, [1].")
    if port == 0:
        return Check(False, "O 0 só pede uma porta; getsockname() conta a que veio.")
    if not isinstance(port, int) or isinstance(port, bool):
        return Check(False, f"Esperava o número de uma porta, sem aspas; recebi {port!r}.")
    if not isinstance(sock, socket.socket):
        return Check(False, f"Guarde o seu socket em meu_socket; nele está {sock!r}.")
    mine = sock.fileno() >= 0 and sock.getsockname()[1] == port
    if mine and any(r.state == "LISTEN" and r.local[1] == port for r in network.ports(port)):
        return Check(True, f"Há um socket escutando na porta {port}.")
    return Check(False, f"O seu socket não escuta na porta {port}. Você chamou bind e listen?")


def client_program(path: str) -> Check:
    """Verifica um programa: `python PROGRAMA HOST PORTA MENSAGEM` mostra só o eco e termina.

    Argumentos:
        path: o arquivo .py do aluno.
    """
    if not Path(path).is_file():
        return Check(False, f"Não achei {path} nesta pasta: execute antes a célula que o grava.")
    for message in _MESSAGES:
        with Trace() as trace, EchoServer(port=0, idle_timeout=TIMEOUT) as server:
            shown, error = _run_program(path, *map(str, server.address), message)
            messages = server.totals[0]
        if error:
            return Check(False, f"Com a mensagem {_brief(message)}: {error}")
        if not any(event.call == "accept" for event in trace.events()):
            return Check(False, "O programa terminou sem conectar: faltou usar o host e a porta?")
        if not messages:
            return Check(False, "O programa conectou e não enviou nada: faltou o sendall?")
        if shown != message.strip():
            hint = (
                " Mostre só o eco."
                if message.strip() in shown
                else " Um recv pode trazer só uma parte."
            )
            return Check(False, f"Esperava {_brief(message)} na tela; vi {_brief(shown)}.{hint}")
    return Check(True, "Seu programa passou: três mensagens, uma comprida, cada uma num processo.")


def _run_program(path: str, *arguments: str) -> tuple[str, str]:
    """Roda um programa até o fim; devolve o que ele mostrou e, se falhou, por quê."""
    command = [sys.executable, path, *arguments]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=2 * TIMEOUT,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return "", "o programa não terminou; falta um close, ou um laço não acaba?"
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["sem mensagem"]
        return "", f"o programa falhou: {last[0]}"
    return done.stdout.decode(errors="replace").strip(), ""


def states(function: Callable[[int], list[str]]) -> Check:
    """Verifica uma função que diz os estados de uma porta, em ordem alfabética.

    Argumentos:
        function: recebe a porta; devolve a lista dos estados, como em network.ports.
    """

    def lasting(port: int) -> Any:
        """A resposta, sem o que outra conversa, antes desta, deixou na mesma porta."""
        answer = function(port)
        return [s for s in answer if s != "TIME_WAIT"] if isinstance(answer, list) else answer

    given = "a porta do servidor"
    with EchoServer(port=0) as server:
        port = server.address[1]
        if wrong := _compare(lasting, (port,), ["LISTEN"], given):
            return wrong
        with EchoClient(*server.address) as client:
            client.send("!")
            wrong = _compare(lasting, (port,), ["ESTABLISHED"] * 2 + ["LISTEN"], given)
    return wrong or Check(True, "Certo: sozinho, o servidor só escuta; com um cliente, são três.")


def reach(function: Callable[[str], str]) -> Check:
    """Verifica uma função que diz quem alcança um servidor, pelo host do bind.

    Argumentos:
        function: recebe o host; devolve "só esta máquina" ou "a rede".
    """
    cases = {host: "só esta máquina" for host in ("127.0.0.1", "127.0.0.2", "localhost")}
    cases |= {"0.0.0.0": "a rede", network.lan_address() or "192.168.0.5": "a rede"}
    for host, expected in cases.items():
        if wrong := _compare(function, (host,), expected):
            return wrong
    return Check(True, "Certo: todo 127.x.x.x fica na própria máquina; o resto, não.")


def same_network(function: Callable[[str, str, str], bool]) -> Check:
    """Verifica uma função que diz se dois endereços são da mesma rede, dada a máscara.

    Argumentos:
        function: recebe dois endereços e a máscara; devolve True ou False.
    """
    cases = [
        (("192.168.0.5", "192.168.0.77", "255.255.255.0"), True),
        (("192.168.0.5", "192.168.1.77", "255.255.255.0"), False),
        (("10.1.2.3", "10.9.8.7", "255.0.0.0"), True),
        (("192.168.0.100", "192.168.0.200", "255.255.255.128"), False),
        (("172.16.5.1", "172.16.6.1", "255.255.252.0"), True),
    ]
    for arguments, expected in cases:
        if wrong := _compare(function, arguments, expected):
            return wrong
    return Check(True, "Certo: é a máscara que decide, e não a aparência dos números.")


def receives_exactly(function: Callable[[socket.socket, int], bytes]) -> Check:
    """Verifica uma função que recebe exatamente n bytes, em quantos recv forem precisos.

    Argumentos:
        function: recebe `conn` e n; devolve os n bytes. Se a conexão acaba antes, lança
            ConnectionError.
    """
    text = "ação".encode()
    for pieces, what in (([text], "de uma vez"), ([text[i : i + 1] for i in range(6)], "um a um")):
        answer, error = _fed(pieces, function, len(text))
        if error or answer != text:
            return _not_expected(f"seis bytes que chegaram {what}", text, answer, error)
    answer, error = _fed([text + b"o resto"], lambda conn: (function(conn, 6), conn.recv(7)))
    if error or answer != (text, b"o resto"):
        hint = "Não peça ao recv mais do que falta: o resto é da próxima mensagem."
        return _not_expected("seis bytes, e mais sete depois", text, answer, error, hint)
    answer, error = _fed([text[:3]], function, 6)
    if not re.search(r"Connection\w*Error|EOFError", error):
        hint = "Quando recv devolve b'', lance ConnectionError: não virá mais nada."
        return Check(False, f"A conexão acabou depois de 3 dos 6 bytes. {hint} {error}".strip())
    return Check(True, "Certo: nem mais, nem menos, e o fim no meio é um erro.")


def lines(function: Callable[[socket.socket], list[str]]) -> Check:
    """Verifica uma função que recebe linhas de texto, até a conexão acabar.

    Argumentos:
        function: recebe `conn`; devolve a lista das linhas, sem o fim de linha.
    """
    data = "olá\nção 🗣️\n\nfim\n".encode()
    expected = ["olá", "ção 🗣️", "", "fim"]
    cases = {
        "coladas, num só recv": [data],
        "um byte por vez": [data[i : i + 1] for i in range(len(data))],
        "a última sem o fim de linha": [data[:-1]],
    }
    for what, pieces in cases.items():
        answer, error = _fed(pieces, function)
        if error or answer != expected:
            return _not_expected(f"quatro linhas, {what}", expected, answer, error)
    return Check(True, "Certo: coladas, cortadas, com acentos, a linha vazia e a última.")


def framing(
    send: Callable[[socket.socket, str], Any], receive: Callable[[socket.socket], str]
) -> Check:
    """Verifica um par de funções que envia e recebe mensagens precedidas do tamanho.

    Argumentos:
        send: recebe `conn` e o texto; envia 4 bytes com o tamanho, em ordem de rede, e o texto.
        receive: recebe `conn`; devolve o texto da próxima mensagem.
    """
    for text in ("oi", "", "olá, ção 🗣️", "ação " * 50_000):
        data = struct.pack("!I", len(text.encode())) + text.encode()
        with _connection() as (peer, conn):
            attempt = _Attempt(_until_done, lambda conn, text=text: send(conn, text), conn)
            received = _receive(peer, len(data))
            _, error = _outcome(attempt)
        if error or received != data:
            hint = "São 4 bytes, struct.pack('!I', tamanho em bytes), e depois o texto."
            return _not_expected(f"o envio de {_brief(text)}", data, received, error, hint)
        for pieces in (
            [data * 2],
            [data[i : i + 1] for i in range(min(9, len(data)))] + [data[9:]],
        ):
            answer, error = _fed(pieces, receive)
            if error or answer != text:
                return _not_expected(f"a mensagem {_brief(text)}", text, answer, error)
    return Check(True, "Certo: curtas, vazias, com acentos e compridas; coladas e cortadas.")


def _fed(pieces: list[bytes], function: Callable[..., Any], *arguments: Any) -> tuple[Any, str]:
    """Chama a função com uma conexão em que chegam estes pedaços, um por recv, e depois o fim."""
    with _connection() as (peer, conn), _Dripping(conn, [*map(len, pieces)]) as dripping:
        feeder = threading.Thread(target=_send_and_end, args=(peer, b"".join(pieces)), daemon=True)
        feeder.start()
        attempt = _Attempt(function, dripping, *arguments)
        outcome = _outcome(attempt)
        _hang_up(dripping)
        feeder.join(TIMEOUT)
        return outcome


class _Dripping(socket.socket):
    """Uma conexão de verdade, em que cada recv traz no máximo o pedaço seguinte."""

    def __init__(self, conn: socket.socket, sizes: list[int]) -> None:
        super().__init__(fileno=conn.detach())
        self._sizes = [size for size in sizes if size]

    def recv(self, size: int, flags: int = 0) -> bytes:
        data = super().recv(min(size, self._sizes[0]) if self._sizes else size, flags)
        if self._sizes:
            self._sizes[0] -= len(data)
            self._sizes = [size for size in self._sizes if size]
        return data


def _send_and_end(peer: socket.socket, data: bytes) -> None:
    with suppress(OSError):  # quem recebe pode desistir no meio
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)


def _outcome(attempt: _Attempt) -> tuple[Any, str]:
    """O que o código devolveu, e o erro, que pode ser o de não terminar."""
    try:
        return attempt.result(TIMEOUT)
    except queue.Empty:
        attempt.stop()
        return None, "Seu código não terminou: espera bytes que não vêm, ou um laço não acaba?"


def _not_expected(what: str, expected: Any, answer: Any, error: str, hint: str = "") -> Check:
    """Diz o que se tentou, o que se esperava, o que veio, e a pista."""
    came = error or f"Recebi {_brief(answer)}."
    return Check(False, f"Com {what}, esperava {_brief(expected)}. {came} {hint}".strip())


def _compare(
    function: Callable[..., Any], arguments: tuple[Any, ...], expected: Any, given: str = ""
) -> Check | None:
    """Chama a função do aluno; devolve o que há de errado, ou None."""
    attempt = _Attempt(function, *arguments)
    try:
        answer, error = attempt.result(TIMEOUT)
    except queue.Empty:
        attempt.stop()
        return Check(False, "Sua função não terminou.")
    if error or answer is ... or answer is None:
        return Check(False, error or (_STUB if answer is ... else "Faltou o return."))
    if answer == expected and type(answer) is type(expected):
        return None
    given = given or ", ".join(map(repr, arguments))
    return Check(False, f"Com {given}, esperava {expected!r} e recebi {_brief(answer)}.")


@contextmanager
def _connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """As duas pontas de uma conexão TCP: a do cliente e a que accept devolve."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname(), TIMEOUT) as peer,
    ):
        listener.settimeout(TIMEOUT)
        with listener.accept()[0] as conn:
            conn.setblocking(True)  # o prazo é de quem verifica, não do código do aluno
            yield peer, conn


class _Attempt:
    """O código do aluno, rodando numa thread; `result` espera por ele, com prazo."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._outcome: queue.SimpleQueue[tuple[Any, str]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(function, *arguments), daemon=True)
        self._thread.start()

    def _run(self, function: Callable[..., Any], *arguments: Any) -> None:
        try:
            self._outcome.put((function(*arguments), ""))
        except BaseException as error:  # é o código do aluno: até um sys.exit() vira resposta
            explanation = explain(error)
            reason = f"\n{explanation}" if explanation else ""
            text = f"Seu código parou com {type(error).__name__}: {error}.{reason}"
            self._outcome.put((None, text))

    def result(self, timeout: float) -> tuple[Any, str]:
        """O que o código devolveu e o erro explicado ("" se não houve).

        Erros:
            queue.Empty: ele não terminou em `timeout` segundos.
        """
        return self._outcome.get(timeout=timeout)

    def stop(self) -> None:
        """Encerra um laço sem fim, para que ele não ocupe o processador depois da resposta.

        Fonte: docs.python.org/3/c-api/threads.html (PyThreadState_SetAsyncExc).
        """
        if self._thread.is_alive():
            ident = ctypes.c_ulong(self._thread.ident or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(SystemExit))


def _until_done(function: Callable[[socket.socket], Any], conn: socket.socket) -> None:
    """Quando o código do aluno volta, a conexão acaba, e quem o verifica não espera à toa."""
    try:
        function(conn)
    finally:
        _hang_up(conn)


def _send_and_receive(peer: socket.socket, data: bytes) -> bytes:
    """Envia e recebe até voltarem tantos bytes, ou até o prazo, o fim ou a queda."""
    with suppress(OSError):  # o que faltou chegar aparece na comparação
        peer.sendall(data)
    return _receive(peer, len(data))


def _receive(peer: socket.socket, size: int) -> bytes:
    """Até `size` bytes, ou até o prazo, o fim ou a queda."""
    received = b""
    deadline = monotonic() + TIMEOUT
    with suppress(OSError):
        while len(received) < size:
            peer.settimeout(max(0.001, deadline - monotonic()))
            piece = peer.recv(65536)
            if not piece:
                break
            received += piece
    return received


def _wrong_answer(sent: bytes, expected: bytes, received: bytes, attempt: _Attempt) -> Check:
    """Diz o que veio no lugar do esperado, e uma pista do porquê."""
    text = f"Enviei {_brief(sent)}, esperava {_brief(expected)} e recebi {_brief(received)}."
    error = ""
    with suppress(queue.Empty):  # o código pode estar acabando de falhar
        error = attempt.result(timeout=0.5)[1]
    if error:
        text += f" {error}"
    elif not received and sent == _MESSAGES[0].encode():
        text += " Nada voltou: você chamou recv e depois sendall?"
    elif not received:
        text += " A primeira mensagem voltou, esta não: falta um laço que volte ao recv?"
    return Check(False, text)


def _hang_up(conn: socket.socket) -> None:
    """Acorda o código do aluno que ainda espere neste socket."""
    with suppress(OSError):
        conn.shutdown(socket.SHUT_RDWR)


def _brief(value: object) -> str:
    """O valor, encurtado para caber numa linha."""
    if not isinstance(value, (bytes, str)) or len(value) <= 20:
        return reprlib.repr(value)
    unit = "bytes" if isinstance(value, bytes) else "caracteres"
    return f"{value[:20]!r} … ({len(value)} {unit})"


def _python() -> Check:
    return Check(sys.version_info >= (3, 11), "Python 3.11 ou mais novo")


def _package(name: str) -> Check:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Check(False, f"{name} não está instalado: abra o kit com python kit.py aula")
    return Check(True, f"{name} instalado")


def _loopback() -> Check:
    """Conversa desta máquina com ela mesma."""
    try:
        with EchoServer(port=0) as server, EchoClient(*server.address) as client:
            client.send("!")
    except OSError as error:
        blocked = "um antivírus ou firewall o bloqueia?"
        return Check(False, f"127.0.0.1 não responde: {blocked} ({error})")
    return Check(True, "Esta máquina conversa consigo mesma (127.0.0.1)")


def _port() -> Check:
    port = network.next_free_port()
    if port == 61840:
        return Check(True, "A porta 61840 do tutorial está livre")
    holder = network.port_holder(61840) or "outro programa"
    return Check(True, f"A porta 61840 está com {holder}: as lições usarão a {port}, sem problema")


def _lan() -> Check:
    address = network.lan_address()
    if address:
        return Check(True, f"Endereço desta máquina na rede local: {address}")
    return Check(True, "Sem rede: as lições 00 a 06 funcionam assim mesmo, só nesta máquina")
