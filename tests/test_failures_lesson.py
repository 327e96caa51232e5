"""Lição 10: o que ela afirma das falhas, conferido com sockets e programas de verdade."""

import re
import socket
import sys
import threading

import nbformat
import pytest

from echo_lib.errors import CODES
from tests.common import HERE, ROOT, TIMEOUT
from tests.conftest import finish

CELLS = nbformat.read(ROOT / "notebooks" / "10_erros_e_falhas.ipynb", as_version=4).cells
linux = pytest.mark.skipif(sys.platform != "linux", reason="a lição o afirma do Linux")


def cell(text):
    """A célula de código que contém este texto."""
    (found,) = [c for c in CELLS if c.cell_type == "code" and text in c.source]
    return found


def test_table_of_errors_has_the_codes_that_explain_gives():
    content = "\n".join(c.source for c in CELLS if c.cell_type == "markdown")
    rows = re.findall(r"^\| `(E\w+)` \| (\d+), (\d+), (\d+) \|", content, re.MULTILINE)
    table = {name: tuple(map(int, numbers)) for name, *numbers in rows}
    assert table == {name: CODES[name] for name in table}
    assert set(table) == {
        "ECONNREFUSED",
        "EADDRINUSE",
        "EADDRNOTAVAIL",
        "ETIMEDOUT",
        "EHOSTUNREACH",
        "ECONNRESET",
        "ECONNABORTED",
        "EPIPE",
    }


def leave_time_wait(reuse):
    """Um servidor que fecha primeiro; devolve a porta, que fica em TIME_WAIT."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        listener.bind((HERE, 0))
        listener.listen()
        with socket.create_connection(listener.getsockname(), TIMEOUT) as client:
            listener.accept()[0].close()
            assert client.recv(1) == b""
            return listener.getsockname()[1]


@linux
@pytest.mark.parametrize("old", [0, 1])
@pytest.mark.parametrize("new", [0, 1])
def test_port_in_time_wait_is_reused_only_when_both_servers_asked_for_it(old, new):
    port = leave_time_wait(old)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, new)
        try:
            s.bind((HERE, port))
            bound = True
        except OSError:
            bound = False
    assert bound == (old == new == 1)


@linux
def test_close_does_not_wake_accept_but_a_connection_or_shutdown_does():
    assert "close acordou? False" in cell("close acordou").outputs[0].text
    for wake in (
        lambda s: socket.create_connection(s.getsockname(), TIMEOUT).close(),
        lambda s: s.shutdown(socket.SHUT_RDWR),
    ):
        with socket.create_server((HERE, 0)) as s:
            s.settimeout(TIMEOUT)
            thread = threading.Thread(target=accept_once, args=[s])
            thread.start()
            wake(s)
            thread.join(TIMEOUT / 2)
            assert not thread.is_alive()


def accept_once(s):
    try:
        s.accept()[0].close()
    except OSError as error:
        assert "Invalid argument" in str(error)


def test_program_of_the_lesson_ends_well_with_ctrl_c_at_a_terminal(terminal, tmp_path):
    program = tmp_path / "meu_servidor_paciente.py"
    source = cell("%%writefile meu_servidor_paciente.py").source
    program.write_text(source.partition("\n")[2], encoding="utf-8")
    child = terminal(program)
    child.expect_exact("escutando")
    child.sendintr()
    assert finish(child, "Ctrl+C: fechei tudo.") == 0
