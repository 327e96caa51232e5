"""Mede a turma ao lado de uma célula ocupada: um laço em Python puro na thread principal.

Uso, na raiz do projeto: `.venv/bin/python -m tests.benchmarks.busy [--rodadas N]`. Só no Linux.

Num kernel de verdade há o painel da turma, com quarenta cartões e o diagrama de uma máquina;
quarenta alunos, noutro processo, enviam dez mensagens por segundo cada um. O laço roda com três
vezes do interpretador (sys.setswitchinterval): a que o servidor escolhe, uma intermediária e a de
costume. As situações se intercalam. A meta é p99 abaixo de 50 ms com a do kit.
"""

from __future__ import annotations

import argparse
import json
from statistics import median, quantiles

from jupyter_client.manager import start_new_kernel

from tests.attacks import Class
from tests.benchmarks.diagram import execute
from tests.benchmarks.run import number, table

AIM = 50.0  # ms
KIT = "laço, a do kit"
SETUP = """
import json, sys, time
from echo_lib import ClassPanel

def busy(seconds):
    laps, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for _ in range(1000):
            laps += 1
    print(laps / seconds)

class Lesson:
    def __init__(self, interval):
        self.panel = ClassPanel(0, host="127.0.0.1")
        self.panel.share(confirmed=True)
        if interval is not None:
            sys.setswitchinterval(interval)
        print(json.dumps([*self.panel.server.address, sys.getswitchinterval()]))

    def choose(self):
        while not self.panel.machines:
            time.sleep(0.01)
        self.panel.select(self.panel.machines[0][0])
        self.panel.diagram._handle_custom_msg({"command": "hello"}, [])  # o que a página diria

    def end(self):
        self.panel.close()
        sys.setswitchinterval(0.005)
"""
SITUATIONS = {"sem laço": None, KIT: None, "laço, 0,5 ms": 0.0005, "laço, a de costume": 0.005}


class Found:
    """O que se mediu numa situação, em todas as rodadas."""

    def __init__(self) -> None:
        self.interval = 0.0  # ms
        self.echoes: list[float] = []  # ms
        self.speeds: list[float] = []  # do laço, em relação ao mesmo laço sozinho
        self.lost = 0


def alone(client: object, seconds: float) -> float:
    """O ritmo do laço sem servidor, sem diagrama e com a vez de costume."""
    return float(execute(client, f"busy({seconds})"))


def measure(client: object, found: Found, given: float | None, seconds: float, pace: float) -> None:
    """Uma aula: com `seconds` zero, sem laço; `pace` é o ritmo do laço sozinho."""
    host, port, interval = json.loads(execute(client, f"lesson = Lesson({given})"))
    with Class((host, port)) as turma:
        turma.rounds(5)
        execute(client, "lesson.choose()")
        turma.figures()
        if seconds:
            found.speeds.append(alone(client, seconds) / pace)
        turma.rounds(1 if seconds else 20)  # também as mensagens que ficaram esperando
        figures = turma.figures()
    execute(client, "lesson.end()")
    found.interval = interval * 1000
    found.echoes += figures.echoes
    found.lost += len(figures.failures)


def row(name: str, found: Found) -> list[str]:
    cuts = quantiles(found.echoes, n=100)
    figures = [found.interval, cuts[49], cuts[98], max(found.echoes)]
    speed = f"{median(found.speeds):.0%}" if found.speeds else ""
    return [name, *map(number, figures), speed, str(len(found.echoes)), str(found.lost)]


def main() -> None:
    """Mede as situações, intercaladas, e imprime a tabela."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rodadas", type=int, default=5)
    parser.add_argument("--segundos", type=float, default=4.0, help="quanto dura cada laço")
    options = parser.parse_args()
    results = {name: Found() for name in SITUATIONS}
    manager, client = start_new_kernel()
    try:
        execute(client, SETUP)
        for _ in range(options.rodadas):
            pace = alone(client, options.segundos)
            for name, given in SITUATIONS.items():
                seconds = 0.0 if name == "sem laço" else options.segundos
                measure(client, results[name], given, seconds, pace)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    header = ["situação", "vez ms", "p50 ms", "p99 ms", "máx ms", "ritmo do laço", "mensagens"]
    rows = [row(name, found) for name, found in results.items()]
    table("A turma ao lado de uma célula ocupada", [*header, "perdidas"], rows)
    p99 = quantiles(results[KIT].echoes, n=100)[98]
    reached = "alcançada" if p99 < AIM else "não alcançada"
    print(f"\nmeta p99 < {AIM:.0f} ms com a vez do kit: {reached} ({number(p99)} ms)")


if __name__ == "__main__":
    main()
