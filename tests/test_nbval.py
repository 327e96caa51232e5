"""O nbval, estrito, em todas as lições; e de novo com a porta 61840 ocupada."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT, TIMEOUT
from tests.lessons import CELL_TIMEOUT, NOTEBOOKS, read


def run_nbval(progress):
    """Confere todos os notebooks, com o progresso de quem ainda não fez nada."""
    command = [sys.executable, "-m", "pytest", "--nbval", "-p", "no:cacheprovider", "-q"]
    command += [f"--nbval-cell-timeout={CELL_TIMEOUT}", "--nbval-sanitize-with=tests/nbval.cfg"]
    done = subprocess.run(
        [*command, "-W", "ignore", "-o", "timeout=0", *map(str, NOTEBOOKS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "ECHO_LIB_PROGRESSO": str(progress)},
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    cells = sum(c.cell_type == "code" for path in NOTEBOOKS for c in read(path).cells)
    assert f"{cells} passed" in done.stdout


HOLDER = """
import socket, sys, time
while True:
    try:
        s = socket.create_server(("127.0.0.1", 61840))
        break
    except OSError:  # outro teste está com ela, por pouco tempo
        time.sleep(0.1)
print("é minha", flush=True)
sys.stdin.read()
"""


@pytest.mark.timeout(300)
def test_every_notebook_passes_nbval(tmp_path):
    run_nbval(tmp_path / "progresso.txt")


@pytest.mark.timeout(300)
def test_and_again_while_another_program_holds_the_port(tmp_path):
    program = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline().strip() == "é minha".encode()
        run_nbval(tmp_path / "progresso.txt")
        assert holder.poll() is None  # segurou a porta até o fim
        holder.stdin.close()
        assert holder.wait(TIMEOUT) == 0
