"""As verificações: cada engano comum recebe a sua pista; soluções de vários estilos passam."""

import re
import socket
import subprocess
import sys
import threading
import tomllib

import cloudpickle
import pytest

from echo_lib import checks, isolated
from echo_lib.checks.environment import _package, _port
from echo_lib.network import addresses, lan_address
from tests.common import HERE, ROOT, TIMEOUT
from tests.conftest import own_network, quiet_port

# As funções daqui vão inteiras ao outro processo, como as de um notebook.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(autouse=True)
def short_wait(monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT", 1.0)


def with_walrus(conn):
    while data := conn.recv(3):
        conn.sendall(data)


def test_server_that_never_gives_up_is_told_so():
    assert "continuou esperando" in checks.gives_up(with_walrus, seconds=0.1).text


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (..., "reticências"),
        (lan_address, "Faltaram os parênteses"),
        ("127.0.0.1", "loopback"),
        ("localhost", "loopback"),
        ("0.0.0.0", "para escutar"),
        ("192.168.0.12", "do tutorial"),
        ("10.0.0.300", "que função diz"),
        (addresses()[0], "só o .address"),
    ],
)
def test_wrong_address_gets_its_own_hint(answer, hint):
    result = checks.address(answer)
    assert not result.ok and hint in result.text, result


IN_A_NETWORK = """
from ipaddress import ip_address
from echo_lib import checks
from echo_lib.network import lan_address
print(checks.address(None), checks.address(ip_address(lan_address())), sep="\\n")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a rede do teste é um espaço de rede do Linux")
def test_in_a_network_none_is_not_the_answer_and_an_object_is_not_the_text():
    command = [*own_network(), sys.executable, "-c", IN_A_NETWORK]
    none, item = subprocess.check_output(command, text=True, cwd=ROOT).splitlines()
    assert "o que print devolve: há um endereço" in none
    assert "É esse, mas dê o texto" in item and item.endswith("e não um IPv4Address.")


def test_right_address_passes():
    assert checks.address(lan_address()).ok


def test_wrong_port_gets_its_own_hint():
    with (
        socket.create_server(("127.0.0.1", 0)) as s,
        socket.socket() as deaf,
        socket.socket() as new,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
    ):
        port = s.getsockname()[1]
        deaf.bind(("127.0.0.1", 0))
        with socket.socket() as closed:
            pass
        cases = [
            (..., s, "reticências"),
            (str(port), s, "sem aspas"),
            (s.getsockname(), s, "é o segundo, [1]"),
            (0, s, "só pede uma porta"),
            (61841, s, "das que a lição usa: peça outra ao sistema"),
            (port, None, "Guarde o seu socket"),
            (port, deaf, f"e em minha_porta está {port}: quem diz a porta é"),
            (port, closed, "sem close e fora de um with"),
            (port, new, "não escuta na porta"),
            (port, udp, "é UDP (SOCK_DGRAM), que não escuta"),
            (deaf.getsockname()[1], deaf, "bind e listen"),
        ]
        for answer, sock, hint in cases:
            result = checks.listening(answer, sock)
            assert not result.ok and hint in result.text, result
        assert checks.listening(port, s).ok
    with socket.create_server(("", 0)) as everywhere:
        result = checks.listening(everywhere.getsockname()[1], everywhere)
        assert not result.ok and "pede 127.0.0.1, e o seu socket está em 0.0.0.0" in result.text


def test_environment_answers_every_item():
    items = checks.environment()
    assert [str(item)[0] for item in items] == ["✔"] * len(items), items
    assert {item.text for item in items} >= {"Python 3.11 ou mais novo", "jupyterlab instalado"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shown = {item.text.removesuffix(" instalado") for item in items}
    assert {re.match(r"[\w-]+", line)[0].lower() for line in project["dependencies"]} <= shown


def test_port_that_the_system_keeps_for_a_while_is_not_said_to_have_an_owner():
    port = quiet_port()
    with (
        socket.create_server((HERE, port)) as listener,
        socket.create_connection((HERE, port)) as client,
    ):
        listener.accept()[0].close()  # quem fecha primeiro deixa a porta em TIME_WAIT
        assert client.recv(1) == b""
        assert "o sistema" not in _port(port).text
    assert f"A porta {port} está com o sistema, que a guarda um tempo" in _port(port).text
    assert _port(quiet_port()).text.endswith("do tutorial está livre")


def test_kit_that_was_not_installed_says_what_to_do(monkeypatch):
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "site-packages" not in path])
    (missing,) = [item for item in checks.environment() if not item.ok]
    assert missing.text.startswith(
        "echo-lib não está instalado: abra o kit com python3 kit.py aula"
    )


def test_missing_package_says_what_to_do():
    missing = _package("um-pacote-que-não-existe>=1.0")
    assert not missing.ok and "um-pacote-que-não-existe não está instalado" in missing.text
    assert "python3 kit.py aula" in missing.text


def endless(host, port, text):
    with socket.create_connection((host, port)) as s:
        while True:
            s.recv(1024)


def quits(host, port, text):
    raise SystemExit(1)


@pytest.mark.parametrize(
    ("function", "hint"),
    [(endless, "o código estava em `s.recv(1024)`."), (quits, "SystemExit")],
)
def test_code_that_never_ends_or_quits_leaves_no_thread(function, hint):
    before = set(threading.enumerate())
    assert hint in checks.client(function).text
    for thread in set(threading.enumerate()) - before:
        thread.join(TIMEOUT)
        assert not thread.is_alive()


def test_slow_server_does_not_hold_the_check():
    def drip(conn):
        while data := conn.recv(1024):
            for byte in data:
                conn.sendall(bytes([byte]))
                threading.Event().wait(0.2)

    assert not checks.server(drip).ok
