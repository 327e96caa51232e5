"""Os três servidores da lição 09, com clientes de todo tipo, e a medida que os compara."""

import os
import runpy
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from echo_lib import measure
from tests.common import HERE, ROOT, TIMEOUT, receive, reset
from tests.conftest import leave

NOTEBOOKS = ROOT / "notebooks"
PROGRAMS = ["servidor_threads.py", "servidor_selectors.py", "servidor_asyncio.py"]
PROGRAM = pytest.mark.parametrize("program", PROGRAMS)


@contextmanager
def serving(program):
    """O programa noutro processo; devolve o endereço que ele diz."""
    command = [sys.executable, str(NOTEBOOKS / program), HERE, "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "default"}
    with subprocess.Popen(command, **pipes, env=environment) as process:
        try:
            line = process.stdout.readline()
            assert line.endswith(". Ctrl+C encerra.\n"), process.stderr.read()
            yield HERE, int(line.split(":")[1].split(".")[0])
            assert process.poll() is None, process.stderr.read()
        finally:
            process.kill()
        assert process.stderr.read() == ""


def connect(address):
    return socket.create_connection(address, TIMEOUT)


def talks(client, message="olá, ção 🗣️"):
    client.sendall(message.encode())
    return receive(client, len(message.encode())).decode() == message


@PROGRAM
def test_a_silent_client_holds_nobody(program):
    with serving(program) as address, connect(address), connect(address) as second:
        assert talks(second)
        with connect(address) as third:
            assert talks(third) and talks(second)


@PROGRAM
def test_clients_that_drop_or_leave_stop_nobody(program):
    with serving(program) as address, connect(address) as stays:
        for _ in range(3):
            leaves, drops = connect(address), connect(address)
            assert talks(leaves) and talks(drops)
            leaves.close()
            reset(drops)
            connect(address).close()
            reset(connect(address))
            assert talks(stays)


@PROGRAM
def test_every_byte_comes_back_one_by_one_or_a_million_at_once(program):
    data = os.urandom(1 << 20)
    with serving(program) as address, connect(address) as client:
        for byte in "ção".encode():
            client.sendall(bytes([byte]))
            assert receive(client, 1) == bytes([byte])
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        assert receive(client, len(data)) == data
        sender.join(TIMEOUT)
        client.shutdown(socket.SHUT_WR)
        assert receive(client) == b""  # quem terminou de enviar também vê o fim


@PROGRAM
def test_a_client_that_never_reads_stops_nobody_and_gets_its_echo_later(program):
    with serving(program) as address, connect(address) as deaf, connect(address) as other:
        deaf.settimeout(0.5)
        sent = 0
        with pytest.raises(TimeoutError):
            while True:
                sent += deaf.send(bytes(1 << 16))
        assert talks(other)
        deaf.settimeout(TIMEOUT)
        assert receive(deaf, sent) == bytes(sent)
        assert talks(other)


@PROGRAM
@pytest.mark.skipif(sys.platform == "win32", reason="precisa de pseudoterminais")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_ctrl_c_ends_the_server_with_clients_connected(program, terminal):
    child = terminal(NOTEBOOKS / program, HERE, 0)
    child.expect(r"Servidor em 127\.0\.0\.1:(\d+)\. Ctrl\+C encerra\.")
    with connect((HERE, int(child.match[1]))) as client, connect((HERE, int(child.match[1]))):
        assert talks(client)
        assert leave(child, "sendintr", "Servidor encerrado.") == 0
        assert receive(client) == b""


@PROGRAM
@pytest.mark.parametrize(
    ("given", "error"),
    [
        ([HERE, "99999"], "port must be 0-65535"),
        ([HERE, "TOMADA"], "in use"),
        ([HERE, "abc"], "'abc'"),
        ([HERE], "not enough values"),
    ],
)
def test_what_it_cannot_listen_on_is_said(program, given, error):
    with socket.create_server((HERE, 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [NOTEBOOKS / program, *(word.replace("TOMADA", port) for word in given)]
        done = subprocess.run(
            [sys.executable, "-X", "utf8", *command],
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT,
        )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("O servidor parou: ")
    assert error in done.stderr or sys.platform == "win32"
    assert f"Uso: python {program} [HOST PORTA]" in done.stderr


@PROGRAM
def test_in_the_lesson_it_stops_when_told_and_leaves_no_thread(program):
    before, stop = threading.active_count(), threading.Event()
    serve = runpy.run_path(str(NOTEBOOKS / program))["servir"]
    with socket.create_server((HERE, 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, stop), daemon=True)
        thread.start()
        with connect(listener.getsockname()) as silent, connect(listener.getsockname()) as client:
            assert talks(client)
            if program != "servidor_threads.py":  # nele, cada conversa vai até o cliente sair
                stop.set()
                assert receive(silent) == b""
        stop.set()
        thread.join(TIMEOUT)
    for left in threading.enumerate():
        if left.name.endswith("(atender)"):
            left.join(TIMEOUT)
    assert threading.active_count() == before


@PROGRAM
def test_program_is_short_and_uses_only_the_standard_library(program):
    text = (NOTEBOOKS / program).read_text(encoding="utf-8")
    imported = {line.split()[1] for line in text.splitlines() if line.startswith("import ")}
    assert imported <= sys.stdlib_module_names
    assert len(text.splitlines()) <= 46


@pytest.mark.usefixtures("no_process_left")
def test_measure_tells_who_serves_many_and_ends_every_process():
    programs = {"um por vez": str(NOTEBOOKS / "servidor.py")}
    programs |= {name: str(NOTEBOOKS / name) for name in PROGRAMS}
    found = measure.echoes_per_second(programs, clients=(3, 1), seconds=0.05, rounds=2)
    assert list(found) == list(programs) and all(list(by) == [1, 3] for by in found.values())
    assert found["um por vez"][1] > 0.0 == found["um por vez"][3]
    assert all(found[name][count] > 0 for name in PROGRAMS for count in (1, 3))


@pytest.mark.usefixtures("no_process_left")
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise SystemExit('faltou ção')", "falhou: faltou ção"),
        ("1 / 0", "falhou: ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)", r"acabou antes da hora \(código 0\)"),
    ],
)
def test_measure_says_what_happened_to_a_program_that_ends(tmp_path, monkeypatch, code, error):
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    bad = tmp_path / "ruim.py"
    bad.write_text(code, encoding="utf-8")
    programs = {"bom": str(NOTEBOOKS / PROGRAMS[0]), "ruim": str(bad)}
    with pytest.raises(RuntimeError, match=error):
        measure.echoes_per_second(programs, clients=[1], rounds=1)


@pytest.mark.usefixtures("no_process_left")
def test_measure_does_not_wait_for_ever_for_a_program_that_never_listens(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "TIMEOUT", 1.0)
    silent = tmp_path / "calado.py"
    silent.write_text("import threading; threading.Event().wait(60)", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"calado.py não escutou na porta \d+"):
        measure.echoes_per_second({"calado": str(silent)}, clients=[1], rounds=1)


def test_a_server_that_hangs_up_gives_zero_echoes(tmp_path):
    rude = tmp_path / "rude.py"
    rude.write_text(
        "import socket, sys\n"
        "with socket.create_server((sys.argv[1], int(sys.argv[2]))) as s:\n"
        "    while True:\n        s.accept()[0].close()\n",
        encoding="utf-8",
    )
    found = measure.echoes_per_second({"rude": str(rude)}, clients=[1, 2], rounds=2)
    assert found == {"rude": {1: 0.0, 2: 0.0}}


@pytest.mark.parametrize(
    "wrong", [{"rounds": 0}, {"clients": 0}, {"clients": [0]}, {"seconds": "1"}]
)
def test_measure_refuses_what_makes_no_sense(wrong):
    with pytest.raises(ValueError, match="maior que zero"):
        measure.echoes_per_second({}, **wrong)


def test_measure_of_one_number_of_clients_and_of_what_is_no_dictionary():
    assert (
        measure.echoes_per_second({"threads": str(NOTEBOOKS / PROGRAMS[0])}, 2, rounds=1)[
            "threads"
        ][2]
        > 0
    )
    with pytest.raises(TypeError, match=r"esperava um dicionário, .*; recebi 'servidor\.py'"):
        measure.echoes_per_second("servidor.py")
