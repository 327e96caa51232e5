"""Quantos ecos por segundo cada programa dá, nesta máquina: a medida da lição 09."""

import reprlib
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from statistics import median
from time import perf_counter

from echo_lib.errors import Address, positive
from echo_lib.program import serving

TIMEOUT = 10.0  # segundos para um programa começar a escutar
_PATIENCE = 2.0  # segundos que um cliente espera por um eco
_MESSAGE = bytes(64)


def echoes_per_second(
    programs: Mapping[str, str],
    clients: Iterable[int] | int = (1, 10, 100),
    seconds: float = 0.05,
    rounds: int = 3,
) -> dict[str, dict[int, float]]:
    """Mede programas servidores de eco, cada um no seu processo, todos na mesma rodada.

    Em cada medida, todos os clientes enviam 64 bytes, todos esperam o eco, e tudo se repete. As
    medidas se intercalam, para que o barulho da máquina pese igual sobre todos.

    Argumentos:
        programs: nome → arquivo .py, que recebe host e porta na linha de comando.
        clients: quantos clientes ao mesmo tempo, em cada medida; um número, numa só.
        seconds: duração de cada medida, em segundos.
        rounds: quantas vezes medir; o resultado é a mediana.

    Retorna:
        dict: nome → {clientes: ecos por segundo}; 0.0 se algum cliente ficou sem eco.

    Erros:
        RuntimeError: um programa terminou, ou não escutou a tempo.
        ValueError: um número que não é positivo.
        TypeError: `programs` não é um dicionário.
    """
    if not isinstance(programs, Mapping):
        raise TypeError(
            "esperava um dicionário, como {'threads': 'servidor_threads.py'}; recebi "
            f"{reprlib.repr(programs)}."
        )
    positive("rounds", rounds)
    positive("seconds", seconds, float)
    several = clients if isinstance(clients, Iterable) else [clients]
    counts = sorted(positive("clients", count) for count in several)
    found: dict[str, dict[int, list[float]]] = {n: {c: [] for c in counts} for n in programs}
    with ExitStack() as stack:
        servers = {n: _on_air(stack, path) for n, path in programs.items()}
        for _ in range(rounds):
            for count in counts:
                for name, address in servers.items():
                    lost = any(0.0 in found[name][c] for c in counts if c <= count)
                    rate = 0.0 if lost else _rate(address, count, seconds)
                    found[name][count].append(rate)
    return {n: {c: min(r) and median(r) for c, r in by.items()} for n, by in found.items()}


def _on_air(stack: ExitStack, path: str) -> Address:
    """O endereço em que o programa escuta, até o fim da medida."""
    program = stack.enter_context(serving(path))
    if problem := program.wait(TIMEOUT):
        raise RuntimeError(f"{path} {problem}")
    return program.address


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
