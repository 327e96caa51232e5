"""Quantos ecos por segundo cada programa dá, nesta máquina: a medida da lição 09."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from statistics import median
from time import perf_counter, sleep

from echo_lib.errors import Address, positive
from echo_lib.network import next_free_port

TIMEOUT = 10.0  # segundos para um programa começar a escutar
_PATIENCE = 2.0  # segundos que um cliente espera por um eco
_HOST = "127.0.0.1"
_MESSAGE = bytes(64)


def echoes_per_second(
    programs: Mapping[str, str],
    clients: Iterable[int] = (1, 10, 100),
    seconds: float = 0.1,
    rounds: int = 3,
) -> dict[str, dict[int, float]]:
    """Mede programas servidores de eco, cada um no seu processo, todos na mesma rodada.

    Em cada medida, todos os clientes enviam 64 bytes, todos esperam o eco, e tudo se repete. As
    medidas se intercalam, para que o barulho da máquina pese igual sobre todos.

    Argumentos:
        programs: nome → arquivo .py, que recebe host e porta na linha de comando.
        clients: quantos clientes ao mesmo tempo, em cada medida.
        seconds: duração de cada medida, em segundos.
        rounds: quantas vezes medir; o resultado é a mediana.

    Retorna:
        dict: nome → {clientes: ecos por segundo}; 0.0 se algum cliente ficou sem eco.

    Erros:
        RuntimeError: um programa terminou, ou não escutou a tempo.
    """
    positive("rounds", rounds)
    counts = sorted(positive("clients", count) for count in clients)
    found: dict[str, dict[int, list[float]]] = {n: {c: [] for c in counts} for n in programs}
    with ExitStack() as stack:
        servers = {n: stack.enter_context(_serving(path)) for n, path in programs.items()}
        for _ in range(rounds):
            for count in counts:
                for name, address in servers.items():
                    lost = any(0.0 in found[name][c] for c in counts if c <= count)
                    rate = 0.0 if lost else _rate(address, count, seconds)
                    found[name][count].append(rate)
    return {n: {c: min(r) and median(r) for c, r in by.items()} for n, by in found.items()}


@contextmanager
def _serving(path: str) -> Iterator[Address]:
    """O endereço em que o programa escuta; ele acaba na saída, aconteça o que acontecer."""
    address = _HOST, next_free_port(_HOST, 0)
    command = [sys.executable, path, address[0], str(address[1])]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            _wait_for(process, path, address)
            yield address
        finally:
            process.kill()


def _wait_for(process: subprocess.Popen[bytes], path: str, address: Address) -> None:
    """Espera até que o programa atenda."""
    deadline = perf_counter() + TIMEOUT
    while perf_counter() < deadline:
        with suppress(OSError):
            return socket.create_connection(address, _PATIENCE).close()
        if process.poll() is not None and process.stderr:
            reason = process.stderr.read().decode(errors="replace").strip().splitlines()
            raise RuntimeError(f"{path} terminou: {(reason or ['sem mensagem'])[-1]}")
        sleep(0.02)
    raise RuntimeError(f"esperava {path} escutando em {address}; em {TIMEOUT:g} s, nada")


def _rate(address: Address, count: int, seconds: float) -> float:
    """Ecos por segundo com `count` clientes ao mesmo tempo; 0.0 se algum ficou sem eco."""
    with ExitStack() as stack, suppress(OSError):
        new = partial(socket.create_connection, address, _PATIENCE)
        opened = [stack.enter_context(new()) for _ in range(count)]
        _exchange(opened)  # a primeira vez, com o accept e as threads, não conta
        start, echoes = perf_counter(), 0
        while (elapsed := perf_counter() - start) < seconds:
            _exchange(opened)
            echoes += count
        return echoes / elapsed
    return 0.0


def _exchange(opened: list[socket.socket]) -> None:
    """Todos enviam; depois, todos recebem o eco inteiro."""
    for conn in opened:
        conn.sendall(_MESSAGE)
    for conn in opened:
        missing = len(_MESSAGE)
        while missing and (piece := conn.recv(missing)):
            missing -= len(piece)
        if missing:
            raise ConnectionError("o servidor fechou a conexão")
