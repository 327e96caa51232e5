"""O nbval, estrito, em todas as lições; e de novo com a porta 61840 ocupada."""

import os
import re
import subprocess
import sys

import pytest
from nbval.plugin import get_sanitize_patterns

from tests.common import ROOT
from tests.conftest import own_network
from tests.lessons import CELL_TIMEOUT, NOTEBOOKS, own_folder, read

SANITIZER = ROOT / "tests" / "nbval.cfg"


def run_nbval(progress, *before):
    """Confere todos os notebooks, com o progresso de quem ainda não fez nada.

    A pasta é só deles; a rede também, se possível; e quem os confere é aberto pelo programa que
    vem antes.
    """
    # No Windows, o nbval leria os padrões noutra codificação; o -X não passa aos kernels.
    command = [
        sys.executable,
        "-X",
        "utf8",
        "-m",
        "pytest",
        "--nbval",
        "-p",
        "no:cacheprovider",
        "-q",
    ]
    command += [f"--nbval-cell-timeout={CELL_TIMEOUT}", f"--nbval-sanitize-with={SANITIZER}"]
    command += ["-W", "ignore", "-o", "timeout=0"]
    with own_folder() as folder:
        notebooks = [folder / path.relative_to(ROOT / "notebooks") for path in NOTEBOOKS]
        done = subprocess.run(
            [*own_network(), *before, *command, *notebooks],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, "ECHO_LIB_PROGRESSO": str(progress)},
        )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    cells = sum(c.cell_type == "code" for path in NOTEBOOKS for c in read(path).cells)
    assert f"{cells} passed" in done.stdout


@pytest.mark.parametrize("rates", ["51277 54974 61900", "61840 62039 9", "1 10 100"])
def test_a_rate_that_looks_like_the_port_is_a_rate(rates):
    text = f"threads    {rates}\n"
    for pattern, replacement in get_sanitize_patterns(SANITIZER.read_text()):
        text = re.sub(pattern, replacement, text)
    assert text == "threads RITMOS\n"


HOLDER = """
import socket, subprocess, sys
with socket.create_server(("127.0.0.1", 61840)):
    sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""


@pytest.mark.timeout(300)
def test_every_notebook_passes_nbval(tmp_path):
    run_nbval(tmp_path / "progresso.txt")


@pytest.mark.timeout(300)
def test_and_again_while_another_program_holds_the_port(tmp_path):
    run_nbval(tmp_path / "progresso.txt", sys.executable, "-c", HOLDER)
