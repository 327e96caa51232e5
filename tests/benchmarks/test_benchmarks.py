"""O benchmark funciona: uma medida minúscula de cada seção, sem cobrar tempo nenhum."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.common import ROOT
from tests.conftest import need

TIMEOUT = 60.0
TINY = ["--pares", "threads", "C", "--clientes", "10", "--bytes", "64", "--rodadas", "1"]
TINY += ["--segundos", "0.3", "--ociosas", "20", "--mib", "1"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="o benchmark usa epoll")


@pytest.fixture(scope="module")
def printed() -> str:
    """O que o benchmark imprime na menor configuração."""
    need("gcc")
    return run(str(Path(__file__).with_name("run.py")), *TINY)


def run(*arguments: str) -> str:
    """O que um benchmark imprime."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(printed: str, title: str) -> list[list[str]]:
    """As linhas da tabela que tem esse título, já separadas em células."""
    body = printed.split(title, 1)[1].split("\n\n")[1]
    return [re.split(r"  +", line.strip()) for line in body.splitlines()[2:]]


def value(cell: str) -> float:
    """O número escrito em português numa célula."""
    return float(cell.rstrip("%").replace(".", "").replace(",", "."))


@pytest.mark.parametrize("title", ["Idas e voltas por segundo", "Latência p99", "CPU do servidor"])
def test_every_ratio_is_reported(printed: str, title: str) -> None:
    """Se a máquina para durante uma medida, a razão arredondada pode ser 0,00."""
    found = rows(printed, title)
    assert [row[:2] for row in found] == [["10", "64"]]
    assert all(len(row) == 4 and value(cell) >= 0 for row in found for cell in row[2:])


def test_absolute_figures_cover_every_server_and_are_positive(printed: str) -> None:
    found = rows(printed, "Números absolutos")
    assert [row[2] for row in found] == ["EchoServer", "threads", "C"]
    assert all(value(cell) > 0 for row in found for cell in row[3:7])


def test_idle_connections_and_the_deaf_client_are_reported_beside_their_aims(printed: str) -> None:
    idle = rows(printed, "Conexões ociosas")
    assert [row[:2] for row in idle] == [["EchoServer", "20"], ["threads", "2"], ["C", "20"]]
    ((name, sent, _growth, rate, aim),) = rows(printed, "Um cliente que envia e nunca lê")
    assert name == "EchoServer" and value(sent) > 0 and value(rate) >= 0
    assert aim == "< 1 MiB a mais; ritmo ≥ 0,90"


def test_aims_are_printed_with_the_worst_ratio(printed: str) -> None:
    assert re.search(r"meta EchoServer / C ≥ 0,85: (não )?alcançada \(mediana \d", printed)


def test_a_measure_goes_on_until_the_first_echo() -> None:
    """Numa máquina ocupada, uma janela pode acabar sem nenhum."""
    need("gcc")
    brief = ["--secoes", "surdo", "--rodadas", "1", "--segundos", "0", "--mib", "1"]
    printed = run(str(Path(__file__).with_name("run.py")), *brief, "--pares", "C")
    ((name, *_),) = rows(printed, "Um cliente que envia e nunca lê")
    assert name == "EchoServer"


def test_attacks_report_the_class_in_peace_and_under_attack() -> None:
    tiny = ["--rodadas", "1", "--calma", "2", "--escala", "0.01"]
    printed = run("-m", "tests.benchmarks.attacks", *tiny, "--ataques", "gigabytes", "RST")
    found = rows(printed, "A turma sob ataque")
    assert [row[0] for row in found] == ["gigabytes", "RST"]
    assert all(value(cell) > 0 for row in found for cell in row[1:7])
    assert all(row[-1] == "0" for row in found)  # nenhuma mensagem perdida
    assert "gigabytes: MiB: 10;" in printed and "RST: RST: 100;" in printed


def test_busy_cell_reports_each_switch_interval_and_the_speed_of_the_loop() -> None:
    printed = run("-m", "tests.benchmarks.busy", "--rodadas", "1", "--segundos", "0.3")
    found = rows(printed, "A turma ao lado de uma célula ocupada")
    assert [row[1] for row in found] == ["0,10", "0,10", "0,50", "5,00"]
    assert all(value(cell) > 0 for row in found for cell in row[2:6])
    assert all(row[-1] == "0" for row in found)
    assert re.search(r"meta p99 < 50 ms com a vez do kit: (não )?alcançada \(\d", printed)
