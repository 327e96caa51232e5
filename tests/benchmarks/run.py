"""Mede o `EchoServer` ao lado de outros servidores de eco, na mesma rodada.

Uso, na raiz do projeto: `python tests/benchmarks/run.py` (uns 6 minutos) ou, com `--rapido`,
menos de 1 minuto. Precisa de Linux (epoll), gcc e psutil; sem uvloop, fica sem essa coluna.
Tudo acontece em 127.0.0.1.

Cada servidor roda num processo preso a um núcleo; a carga, noutro núcleo. As medidas se
intercalam (A B C, B C A, …) e o que se compara são razões dentro da mesma rodada, para que o
barulho da máquina pese igual sobre todos. As metas aparecem ao lado das medidas; nenhuma é
cobrada.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil

HERE = Path(__file__).parent
TIMEOUT = 10.0
WARM_UP = 0.1  # segundos de carga antes de cada medida
SETTLE = 0.2  # segundos de sossego antes de medir a memória
MIB = 2**20
OURS, TRACED = "EchoServer", "rastreado"
PEERS = ("threads", "socketserver", "streams", "asyncio", "uvloop", "laço", "C", TRACED)
SPEED_AIMS = {"uvloop": 1.0, "C": 0.85, TRACED: 0.85}
SECTIONS = ("velocidade", "ociosas", "surdo")
FULL = {
    "clientes": [1, 10, 100, 1000],
    "bytes": [64, 1024],
    "rodadas": 5,
    "segundos": 0.5,
    "ociosas": 10_000,
    "mib": 256,
}
QUICK = {**FULL, "bytes": [64], "rodadas": 2, "segundos": 0.25, "ociosas": 2000, "mib": 64}
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]


class Sample(NamedTuple):
    """Uma medida do gerador de carga, na ordem em que `load` a escreve."""

    rate: float  # idas e voltas por segundo
    p50: float  # microssegundos
    p99: float  # microssegundos
    cpu: float  # microssegundos de CPU do servidor por ida e volta
    server_load: float  # fração de um núcleo usada pelo servidor
    own_load: float  # fração de um núcleo usada pelo gerador


class Server(NamedTuple):
    """Um servidor em marcha noutro processo."""

    name: str
    port: int
    process: psutil.Process


class Bench:
    """Os programas em C, compilados, e as opções desta execução."""

    def __init__(self, build: Path, options: argparse.Namespace) -> None:
        self.build, self.options = build, options
        for name in ("load", "echo_epoll"):
            subprocess.run(["gcc", "-O2", "-o", build / name, HERE / f"{name}.c"], check=True)

    def chosen(self, *names: str) -> list[str]:
        """O EchoServer e, dos pares dados, os que foram pedidos."""
        return [OURS, *(name for name in names if name in self.options.pares)]

    @contextmanager
    def serving(self, name: str) -> Iterator[Server]:
        """Inicia um servidor no núcleo dele e o encerra na saída, aconteça o que acontecer."""
        python = [sys.executable, HERE / "servers.py", name]
        command = [self.build / "echo_epoll"] if name == "C" else python
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        pin(CORES[0])  # o filho herda o núcleo
        process = subprocess.Popen(command, **pipes, start_new_session=True)
        pin(CORES[-1])
        with process:
            try:
                if not (port := process.stdout.readline()):
                    raise RuntimeError(f"o servidor {name!r} não começou; o erro está acima")
                yield Server(name, int(port), psutil.Process(process.pid))
            finally:
                process.kill()

    def load(self, server: Server, clients: int, size: int) -> Sample:
        """Mede um servidor com `clients` clientes e mensagens de `size` bytes."""
        given = (server.port, clients, size, WARM_UP, self.options.segundos, server.process.pid)
        command = [self.build / "load", *map(str, given)]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            what = f"{server.name}, {clients} clientes, {size} bytes"
            raise RuntimeError(f"{what}: {run.stderr.strip() or run.returncode}")
        return Sample(*map(float, run.stdout.split()))


def pin(core: int) -> None:
    """Prende este processo, e os filhos que vierem, a um núcleo, onde o sistema deixa."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def number(value: float, digits: int = 2) -> str:
    """O número como se escreve em português: 1.234,56."""
    return f"{value:,.{digits}f}".translate(str.maketrans(",.", ".,"))


def table(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Imprime uma tabela alinhada à direita."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    print(f"\n{title}\n")
    for row in (header, ["-" * width for width in widths], *rows):
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


# --- 1. Velocidade ---

Samples = dict[tuple[int, int], dict[str, list[Sample]]]  # (clientes, bytes) → servidor → rodadas


def measure_speed(bench: Bench) -> Samples:
    """Mede todos os servidores em todas as combinações, intercalados por rodada."""
    options = bench.options
    samples: Samples = {(c, s): {} for c in options.clientes for s in options.bytes}
    with ExitStack() as stack:
        servers = [stack.enter_context(bench.serving(name)) for name in bench.chosen(*PEERS)]
        for turn in range(options.rodadas):
            for (clients, size), by_name in samples.items():
                for server in servers:
                    by_name.setdefault(server.name, []).append(bench.load(server, clients, size))
            servers.append(servers.pop(0))
            print(f"velocidade: rodada {turn + 1} de {options.rodadas}", file=sys.stderr)
    return samples


def ratio(by_name: dict[str, list[Sample]], peer: str, field: str) -> float:
    """Mediana das razões EchoServer / par; a do rastreado é rastreado / EchoServer."""
    top, bottom = (peer, OURS) if peer == TRACED else (OURS, peer)
    pairs = zip(by_name[top], by_name[bottom], strict=True)
    return median(getattr(a, field) / getattr(b, field) for a, b in pairs)


def report_speed(samples: Samples, peers: list[str]) -> None:
    """Imprime as razões, as metas e os números absolutos desta máquina."""
    header = ["clientes", "bytes"] + [f"{p}/Echo" if p == TRACED else f"Echo/{p}" for p in peers]
    titles = {
        "rate": "Idas e voltas por segundo, razão (maior é melhor)",
        "p99": "Latência p99, razão (menor é melhor)",
        "cpu": "CPU do servidor por ida e volta, razão (menor é melhor)",
    }
    for field, title in titles.items():
        rows = [
            [str(clients), str(size), *(number(ratio(by_name, peer, field)) for peer in peers)]
            for (clients, size), by_name in samples.items()
        ]
        table(title, header, rows)
    report_aims({key: by_name for key, by_name in samples.items() if key[0] >= 10}, peers)
    report_absolute(samples)


def report_aims(samples: Samples, peers: list[str]) -> None:
    """Imprime, para cada meta de velocidade, as razões com 10 clientes ou mais."""
    print()
    for peer in (name for name in peers if name in SPEED_AIMS and samples):
        aim = SPEED_AIMS[peer]
        found = [(ratio(by_name, peer, "rate"), key) for key, by_name in samples.items()]
        typical, (worst, (clients, size)) = median(value for value, _ in found), min(found)
        what = f"{TRACED} / {OURS}" if peer == TRACED else f"{OURS} / {peer}"
        verdict = "alcançada" if worst >= aim else "não alcançada"
        lowest = f"a menor {number(worst)}, com {clients} clientes e {size} bytes"
        print(f"meta {what} ≥ {number(aim)}: {verdict} (mediana {number(typical)}; {lowest})")


def report_absolute(samples: Samples) -> None:
    """Imprime as medianas de cada servidor nesta máquina."""
    header = ["clientes", "bytes", "servidor", "idas e voltas/s", "p50 µs", "p99 µs"]
    header += ["CPU µs", "núcleo do servidor", "núcleo da carga"]
    rows = []
    for (clients, size), by_name in samples.items():
        for name, found in by_name.items():
            typical = Sample(*map(median, zip(*found, strict=True)))
            figures = [number(value, 0) for value in typical[:3]] + [number(typical.cpu, 1)]
            loads = [f"{value:.0%}" for value in typical[4:]]
            rows.append([str(clients), str(size), name, *figures, *loads])
    table("Números absolutos desta máquina (medianas)", header, rows)


# --- 2. Conexões ociosas ---


def connect(port: int) -> socket.socket:
    """Abre uma conexão e troca nela uma mensagem."""
    conn = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
    conn.sendall(b"oi")
    conn.recv(2)
    return conn


def settled_memory(server: Server) -> int:
    """A memória só deste processo (USS), em bytes, depois de um sossego."""
    time.sleep(SETTLE)
    return server.process.memory_full_info().uss


def report_idle(bench: Bench) -> None:
    """Mede e imprime quanto cada conexão ociosa ocupa no servidor."""
    me = psutil.Process()
    hard = me.rlimit(psutil.RLIMIT_NOFILE)[1]
    me.rlimit(psutil.RLIMIT_NOFILE, (hard, hard))
    most = min(bench.options.ociosas, hard - 500)
    rows = []
    for name in bench.chosen("asyncio", "uvloop", "threads", "C"):
        count = most // 10 if name == "threads" else most
        with bench.serving(name) as server, ExitStack() as stack:
            stack.enter_context(connect(server.port))
            before = settled_memory(server)
            for _ in range(count):
                stack.enter_context(connect(server.port))
            each = (settled_memory(server) - before) / count / 1024
        rows.append([name, number(count, 0), number(each), "≤ 0,70" if name == OURS else ""])
    header = ["servidor", "conexões", "KiB por conexão", "meta"]
    table("Conexões ociosas: memória do servidor", header, rows)


# --- 3. O cliente que envia e nunca lê ---


def flood(server: Server, limit: int, stopping: threading.Event) -> tuple[int, int]:
    """Envia até `limit` bytes sem nunca ler; retorna os enviados e o pico de memória (RSS)."""
    chunk, sent, peak = bytes(65536), 0, 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=0.02) as conn:
        while not stopping.is_set():
            peak = max(peak, server.process.memory_info().rss)
            if sent >= limit:
                stopping.wait(0.02)
                continue
            with suppress(TimeoutError):
                sent += conn.send(chunk)
    return sent, peak


def measure_flood(bench: Bench, server: Server) -> tuple[float, float, float]:
    """MiB enviados, MiB que o servidor cresceu e ritmo de outros 10 clientes (durante / antes)."""
    bench.load(server, 10, 64)  # aquece o servidor, que acabou de nascer
    quiet = bench.load(server, 10, 64).rate
    memory = server.process.memory_info().rss
    stopping = threading.Event()
    with ThreadPoolExecutor() as pool:
        flooding = pool.submit(flood, server, bench.options.mib * MIB, stopping)
        try:
            disturbed = bench.load(server, 10, 64).rate
        finally:
            stopping.set()
        sent, peak = flooding.result(TIMEOUT)
    return sent / MIB, (peak - memory) / MIB, disturbed / quiet


def report_flood(bench: Bench) -> None:
    """Mede, intercalado por rodada, e imprime o que um cliente surdo faz a cada servidor."""
    names = bench.chosen("asyncio", "uvloop")
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
    for _ in range(bench.options.rodadas):
        for name, rounds in found.items():
            with bench.serving(name) as server:
                rounds.append(measure_flood(bench, server))
    rows = []
    for name, rounds in found.items():
        figures = [number(median(values)) for values in zip(*rounds, strict=True)]
        rows.append([name, *figures, "< 1 MiB a mais; ritmo ≥ 0,90" if name == OURS else ""])
    header = ["servidor", "MiB enviados", "MiB a mais", "ritmo dos outros 10", "meta"]
    table("Um cliente que envia e nunca lê", header, rows)


# --- Linha de comando ---


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Lê as opções; as que faltam vêm de FULL ou, com --rapido, de QUICK."""
    parser = argparse.ArgumentParser(description="Compara o EchoServer com outros servidores.")
    add = parser.add_argument
    add("--rapido", action="store_true", help="menos rodadas e combinações: menos de 1 minuto")
    add("--secoes", nargs="+", choices=SECTIONS, default=SECTIONS, help="o que medir")
    add("--pares", nargs="+", choices=PEERS, default=PEERS, help="com quem comparar")
    add("--clientes", nargs="+", type=int, help="clientes simultâneos")
    add("--bytes", nargs="+", type=int, help="bytes por mensagem, de 8 a 16384")
    add("--rodadas", type=int, help="rodadas intercaladas")
    add("--segundos", type=float, help="segundos por medida")
    add("--ociosas", type=int, help="conexões ociosas (um décimo delas para threads)")
    add("--mib", type=int, help="MiB que o cliente surdo tenta enviar")
    options = parser.parse_args(arguments)
    for name, value in (QUICK if options.rapido else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if importlib.util.find_spec("uvloop") is None:
        options.pares = [name for name in options.pares if name != "uvloop"]
    return options


def run(bench: Bench) -> None:
    """Mede e imprime as seções pedidas."""
    if "velocidade" in bench.options.secoes:
        report_speed(measure_speed(bench), bench.chosen(*PEERS)[1:])
    if "ociosas" in bench.options.secoes:
        report_idle(bench)
    if "surdo" in bench.options.secoes:
        report_flood(bench)


def main(arguments: list[str] | None = None) -> int:
    """Ponto de entrada; retorna o código de saída."""
    options = parse(arguments)
    if not sys.platform.startswith("linux") or shutil.which("gcc") is None:
        print("O benchmark precisa de Linux e do gcc (Debian e Ubuntu: apt install gcc).")
        return 1
    if len(CORES) < 2:
        print("Só há um núcleo: servidor e carga o dividem, e as razões valem menos.")
    print(f"Outros programas ocupam agora {psutil.cpu_percent(SETTLE):.0f}% da máquina.")
    try:
        with tempfile.TemporaryDirectory() as build:
            run(Bench(Path(build), options))
    except (RuntimeError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrompido; todos os servidores foram encerrados.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
