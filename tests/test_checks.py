"""As verificações: cada engano comum recebe a sua pista; soluções de vários estilos passam."""

import socket
import sys
import threading

import cloudpickle
import pytest

from echo_lib import EchoClient, checks, isolated
from echo_lib.checks.environment import _package
from echo_lib.network import addresses, lan_address
from tests.conftest import TIMEOUT

# As funções daqui vão inteiras ao outro processo, como as de um notebook.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(autouse=True)
def short_wait(monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT", 1.0)


def one_recv(host, port, text):
    with socket.create_connection((host, port)) as s:
        s.sendall(text.encode())
        return s.recv(1024).decode()


def decode_each_piece(host, port, text):
    with socket.create_connection((host, port)) as s:
        s.sendall(text.encode())
        echo = ""
        while len(echo) < len(text):
            echo += s.recv(1024).decode()
        return echo


def count_letters(host, port, text):
    with socket.create_connection((host, port)) as s:
        s.sendall(text.encode())
        data = b""
        while len(data) < len(text):
            data += s.recv(1024)
        return data.decode(errors="ignore")


def forget_encode(host, port, text):
    with socket.create_connection((host, port)) as s:
        s.sendall(text)


def forget_decode(host, port, text):
    with socket.create_connection((host, port)) as s:
        s.sendall(text.encode())
        return s.recv(1024)


def forget_return(host, port, text):
    with socket.create_connection((host, port)) as s:
        s.sendall(text.encode())


def wait_for_too_much(host, port, text):
    with socket.create_connection((host, port)) as s:
        s.sendall(text.encode())
        return b"".join(iter(lambda: s.recv(1024), b"")).decode()


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (one_recv, "Veio só o começo|um recv pode cortar um caractere"),
        (decode_each_piece, "um recv pode cortar um caractere"),
        (count_letters, "Veio só o começo"),
        (forget_encode, "faltou o encode"),
        (forget_decode, "Faltou o decode?"),
        (forget_return, "Faltou o return?"),
        (wait_for_too_much, "Ele não terminou"),
        (lambda host, port, text: text, "nada chegou ao servidor"),
        (lambda host, port: None, "TypeError"),
    ],
)
def test_wrong_client_gets_its_own_hint(function, hint):
    result = checks.client(function)
    assert not result.ok
    assert any(part in result.text for part in hint.split("|")), result


def by_shutdown(host, port, text):
    with socket.create_connection((host, port), timeout=TIMEOUT) as s:
        s.sendall(text.encode())
        s.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: s.recv(7), b"")).decode()


def by_library(host, port, text):
    with EchoClient(host, port) as client:
        return client.send(text)


@pytest.mark.parametrize("function", [by_shutdown, by_library])
def test_client_in_another_style_passes(function):
    result = checks.client(function)
    assert result.ok, result


def once(conn):
    conn.sendall(conn.recv(1024))


def forever(conn):
    while True:
        conn.sendall(conn.recv(1024))


def text_back(conn):
    conn.sendall(conn.recv(1024).decode())


def silent(conn):
    while conn.recv(1024):
        pass


def wrong_order(conn):
    conn.sendall(b"")
    conn.recv(1024)


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (once, "falta um laço que volte ao recv"),
        (forever, "o seu laço continua: recv devolve b'' para sempre"),
        (text_back, "faltou o encode"),
        (silent, "Nada voltou: você chamou recv e depois sendall?"),
        (wrong_order, "Nada voltou"),
        (lambda: None, "TypeError"),
    ],
)
def test_wrong_server_gets_its_own_hint(function, hint):
    result = checks.server(function)
    assert not result.ok and hint in result.text, result


def with_walrus(conn):
    while data := conn.recv(3):
        conn.sendall(data)


def with_file(conn):
    with conn.makefile("rwb", buffering=0) as stream:
        while data := stream.read(100):
            stream.write(data)


@pytest.mark.parametrize("function", [with_walrus, with_file])
def test_server_in_another_style_passes(function):
    result = checks.server(function)
    assert result.ok, result


def test_server_that_never_gives_up_is_told_so():
    assert "continuou esperando" in checks.gives_up(with_walrus, seconds=0.1).text


def two_connections(host, port, one, other):
    return [by_library(host, port, one), by_library(host, port, other)]


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (two_connections, "esperava uma conexão e vi 2"),
        (lambda host, port, one, other: [one, other], "esperava uma conexão e vi 0"),
        (lambda host, port, one, other: None, "Devolva uma lista"),
    ],
)
def test_wrong_conversation_gets_its_own_hint(function, hint):
    result = checks.one_conversation(function)
    assert not result.ok and hint in result.text, result


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (..., "reticências"),
        (lan_address, "Faltaram os parênteses"),
        ("127.0.0.1", "loopback"),
        ("0.0.0.0", "para escutar"),
        ("192.168.0.12", "do tutorial"),
        ("10.0.0.300", "que função diz"),
        (addresses()[0], "só o .address"),
    ],
)
def test_wrong_address_gets_its_own_hint(answer, hint):
    result = checks.address(answer)
    assert not result.ok and hint in result.text, result


def test_right_address_passes():
    assert checks.address(lan_address()).ok


def test_wrong_port_gets_its_own_hint():
    with socket.create_server(("127.0.0.1", 0)) as s, socket.socket() as deaf:
        port = s.getsockname()[1]
        deaf.bind(("127.0.0.1", 0))
        cases = [
            (..., s, "reticências"),
            (str(port), s, "sem aspas"),
            (s.getsockname(), s, "é o segundo, [1]"),
            (0, s, "só pede uma porta"),
            (port, None, "Guarde o seu socket"),
            (port, deaf, "não escuta na porta"),
            (deaf.getsockname()[1], deaf, "bind e listen"),
        ]
        for answer, sock, hint in cases:
            result = checks.listening(answer, sock)
            assert not result.ok and hint in result.text, result
        assert checks.listening(port, s).ok


def test_environment_answers_every_item():
    items = checks.environment()
    assert [str(item)[0] for item in items] == ["✔"] * len(items), items
    assert {item.text for item in items} >= {"Python 3.11 ou mais novo", "jupyterlab instalado"}


def test_missing_package_says_what_to_do():
    assert "python kit.py aula" in _package("um-pacote-que-não-existe").text


def endless(host, port, text):
    with socket.create_connection((host, port)) as s:
        while True:
            s.recv(1024)


def quits(host, port, text):
    raise SystemExit(1)


@pytest.mark.parametrize(
    ("function", "hint"), [(endless, "Ele não terminou"), (quits, "SystemExit")]
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
