"""Mede o que a turma nota de cada ataque ao servidor, em tamanho natural.

Uso, na raiz do projeto: `.venv/bin/python -m tests.benchmarks.attacks` (uns 2 minutos). Só no
Linux, onde cada processo escolhe o seu endereço em 127.0.0.0/8.

Quarenta alunos enviam dez mensagens por segundo cada um e conferem os ecos, primeiro em sossego,
depois durante o ataque. Cada mensagem é medida desde a hora em que devia sair. Para cada ataque,
um servidor novo, com os limites de quem atende a rede. Nenhum tempo é cobrado.
"""

from __future__ import annotations

import argparse
import sys
from itertools import chain
from statistics import median, quantiles

from tests.attacks import ATTACKS, Class, Report, Server, suffer
from tests.benchmarks.run import number, table

IDLE = 2.0  # segundos de silêncio até o servidor desconectar
FULL = {  # conexões, bytes, rodadas de 32 conexões, MiB…
    "multidão": 10_000,
    "calados": 32,
    "conta-gotas": 320,
    "surdos": 5,
    "gigabytes": 1024,
    "RST": 10_000,
    "entra e sai": 10_000,
    "bytes ao acaso": 5000,
    "textos hostis": 50_000,
}
HEADER = ["ataque", "p50 calma", "p99 calma", "p50", "p99", "razão p99", "máx", "entrar máx"]
HEADER += ["MiB antes", "depois", "mensagens", "perdidas"]


def measure(name: str, amount: int, turns: int) -> Report:
    """Um servidor novo, a turma em sossego por `turns` mensagens de cada um, e o ataque."""
    with Server(IDLE) as server, Class(server.address) as turma:
        return suffer(server, turma, name, amount, turns)


def row(name: str, reports: list[Report]) -> list[str]:
    """Uma linha da tabela: tempos em ms de todas as rodadas; a razão é a mediana delas."""
    quiet = quantiles(chain.from_iterable(r.quiet.echoes for r in reports), n=100)
    echoes = [echo for r in reports for echo in r.attacked.echoes]
    entries = [entry for r in reports for entry in r.attacked.entries]
    attacked = quantiles(echoes, n=100)
    ratio = median(r.attacked.cut(99) / r.quiet.cut(99) for r in reports)
    figures = [quiet[49], quiet[98], attacked[49], attacked[98], ratio, max(echoes)]
    figures += [max(entries, default=0.0), reports[0].before, max(r.after for r in reports)]
    lost = sum(len(r.quiet.failures) + len(r.attacked.failures) for r in reports)
    return [name, *(number(value) for value in figures), str(len(echoes)), str(lost)]


def main() -> None:
    """Mede os ataques pedidos e imprime a tabela."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ataques", nargs="+", choices=ATTACKS, default=[*ATTACKS])
    parser.add_argument("--rodadas", type=int, default=3)
    parser.add_argument("--calma", type=int, default=30, help="mensagens de cada aluno em sossego")
    parser.add_argument("--escala", type=float, default=1.0, help="1 é o tamanho natural")
    options = parser.parse_args()
    reports: dict[str, list[Report]] = {name: [] for name in options.ataques}
    for turn in range(options.rodadas):
        for name, found in reports.items():
            amount = max(1, int(FULL[name] * options.escala))
            found.append(measure(name, amount, options.calma))
        print(f"rodada {turn + 1} de {options.rodadas}", file=sys.stderr)
    rows = [row(name, found) for name, found in reports.items()]
    table("A turma sob ataque (tempos em ms)", HEADER, rows)
    print()
    for name, found in reports.items():
        did = ", ".join(f"{what}: {value}" for what, value in found[0].outcome.items())
        print(f"{name}: {did}; no máximo {max(r.peak for r in found)} conexões do atacante")


if __name__ == "__main__":
    main()
