"""Um programa servidor, `python PROGRAMA HOST PORTA`, num processo à parte, por um tempo."""

import builtins
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Any

from echo_lib.errors import Address, explain
from echo_lib.isolated import NO_WINDOW, WORK, family, hunger, worked
from echo_lib.network import spare_port
from echo_lib.worker import MIXED

_LASTING = 0.3  # segundos: no Windows, um socketpair escuta por um instante
_ENDING = 5.0  # segundos, no máximo, entre deixar de escutar e acabar
_SPINNING = 3 * WORK  # segundos de processador: nem importar muito, numa máquina lenta, leva tanto


class Program:
    """O programa que `serving` abriu, com o endereço que recebeu."""

    def __init__(
        self, process: subprocess.Popen[bytes], path: str, address: Address, errors: IO[Any]
    ) -> None:
        self.address = address
        self._process, self._path, self._errors = process, path, errors
        self.hunger = partial(hunger, process.pid)

    def wait(self, seconds: float) -> str:
        """Espera até que ele escute na porta que recebeu.

        Argumentos:
            seconds: quanto esperar, no máximo.

        Retorna:
            str: "", ou por que ele não escuta.
        """
        port, deadline = self.address[1], monotonic() + seconds
        seen, since = 0, 0.0  # outra porta em que ele escuta, e desde quando
        while monotonic() < deadline:
            if problem := self.failure():
                return problem
            listening = self._listening()
            if port in listening:
                return ""
            if (other := listening[0] if listening else 0) != seen:
                seen, since = other, monotonic()
            if seen and monotonic() - since > _LASTING:
                return f"escuta na porta {seen}, e recebeu a {port}: faltou usar sys.argv?"
            if worked(self._process.pid) > _SPINNING:
                break
            sleep(0.02)
        why = "faltou o listen, ou usar sys.argv?"
        if worked(self._process.pid) > WORK:
            why = "faltou o listen, ou um laço gira sem parar antes dele?"
        return f"não escutou na porta {port}, a que recebeu: {why}"

    def also(self, told: str) -> list[str]:
        """Acaba com o programa e diz o que mais ele deixou escrito.

        Argumentos:
            told: o que já se disse dele, e que isso talvez explique.

        Retorna:
            list[str], a comparação de bytes com texto, e o erro de uma thread.
        """
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        errors = self._errors.read()
        comparison = mixed(errors, self._path)
        found = [comparison] if comparison and comparison not in told else []
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        a_fall = re.match(r"(Connection\w*|BrokenPipe)Error", last)  # a de um cliente
        if b"Exception in thread" in errors and "falhou" not in told and not a_fall:
            found.append(f"Numa thread, o programa {failure(1, errors, self._path)}")
        return found

    def _listening(self) -> list[int]:
        """As portas em que ele escuta; olhar as da máquina inteira levaria vinte vezes o tempo."""
        import psutil

        found = []
        with suppress(psutil.Error, OSError):  # há erros do Windows que o psutil não traduz
            for process in family(self._process.pid):
                found += [c for c in process.net_connections("tcp") if c.status == "LISTEN"]
        mine = self.address[1]  # que ele recebeu com um host IPv4
        return [c.laddr.port for c in found if c.family == socket.AF_INET or c.laddr.port != mine]

    def failure(self, seconds: float = 0) -> str:
        """Por que ele acabou, ou "" se continua.

        Argumentos:
            seconds: quanto esperar que acabe.
        """
        limit = monotonic() + seconds
        while True:
            with suppress(subprocess.TimeoutExpired):
                code = self._process.wait(min(seconds, 0.05))
                self._errors.seek(0)
                return failure(code, self._errors.read(), self._path)
            late = monotonic() - limit
            # Quem já não escuta está acabando, e numa máquina ocupada isso demora.
            if late >= 0 and (
                not seconds or late > _ENDING or self.address[1] in self._listening()
            ):
                return ""


@contextmanager
def serving(path: str) -> Iterator[Program]:
    """O programa, no ar; ele acaba com o bloco, aconteça o que acontecer.

    Argumentos:
        path: o arquivo .py, que recebe host e porta na linha de comando.
    """
    address = "127.0.0.1", spare_port()
    # Um arquivo, e não um pipe: um programa que escreve muito não fica esperando quem o leia.
    with (
        tempfile.TemporaryFile() as errors,
        running(path, *map(str, address), stdout=subprocess.DEVNULL, stderr=errors) as process,
    ):
        yield Program(process, path, address, errors)


@contextmanager
def running(path: str, *arguments: str, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """O processo de um programa Python, que acaba com o bloco.

    Argumentos:
        streams: stdout e stderr, como em subprocess.Popen.
    """
    command = [sys.executable, "-b", path, *arguments]
    env = {**os.environ, "PYTHONIOENCODING": "utf-8"}  # que o Windows não daria a um pipe
    streams |= {"stdin": subprocess.DEVNULL, "creationflags": NO_WINDOW}
    with subprocess.Popen(command, env=env, **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def mixed(errors: bytes, path: str) -> str:
    """O que dizer de quem compara bytes com texto ou com um número, de que o -b avisa; ou "".

    Argumentos:
        errors: o que o programa escreveu em stderr.
        path: o arquivo .py do programa.
    """
    name = re.escape(Path(path).name)
    for line in errors.decode(errors="replace").splitlines():
        found = re.search(rf"{name}:(\d+): BytesWarning: Comparison between bytes( and \w+)", line)
        if found and found[2] in MIXED:
            return f"Na linha {found[1]}, um lado é bytes, e o outro, {MIXED[found[2]]}"
    return ""


def failure(status: int, errors: bytes, path: str) -> str:
    """Como um programa acabou: o erro, a linha dele e a explicação; sem erro, o código de saída.

    Argumentos:
        status: o código de saída.
        errors: o que o programa escreveu em stderr, em geral um traceback.
        path: o arquivo .py do programa.
    """
    errors = re.sub(rb".*: BytesWarning: .*\n.*", b"", errors)  # de `mixed`
    errors = re.sub(rb"(?m)^ *(\| |\+[-+ \d]*\r?$)", b"", errors)  # as bordas de um ExceptionGroup
    lines = errors.decode(errors="replace").strip().splitlines()
    if not lines:
        return f"acabou antes da hora (código {status})."
    place = rf'File ".*{re.escape(Path(path).name)}", line (\d+)'
    found = [(re.search(place, line), code.strip()) for line, code in pairwise(lines)]
    number, code = next(((at[1], code) for at, code in reversed(found) if at), ("", ""))
    where = f", na linha {number}, `{code}`" if number else ""
    explanation = _explained(lines[-1], code)
    text = f"falhou: {lines[-1].rstrip('.')}{where}."
    return f"{text}\n{explanation}" if explanation else text


def _explained(last: str, line: str) -> str:
    """A explicação do erro da última linha de um traceback, que nasceu em `line`; ou ""."""
    name, _, said = last.partition(": ")
    kind = getattr(builtins, name, getattr(socket, name.removeprefix("socket."), None))
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        return ""
    if kind is UnicodeEncodeError:  # que se monta com cinco argumentos
        kind = UnicodeError
    code = re.match(r"\[(?:Errno|WinError) (\d+)\] (.*)", said)
    with suppress(TypeError):  # UnicodeDecodeError pede outros argumentos
        error = kind(int(code[1]), code[2]) if code else kind(said)
        # Sem a linha, um "?" ainda diz que o erro é de um programa, e não de uma célula.
        return str(explain(error, line=line or "?") or "")
    return ""
