"""EchoClient: o eco inteiro ou uma exceção explicada, sem demora e sem deixar nada aberto."""

import re
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echo_lib import EchoClient, EchoError, EchoServer, Trace, TracedSocket
from tests.common import HERE, TIMEOUT, reset


@pytest.fixture(scope="module")
def server():
    with EchoServer(port=0) as server:
        yield server


@contextmanager
def peer(behave):
    """Um cliente ainda não conectado e, do outro lado, um servidor que se comporta assim."""

    def serve():
        with listener.accept()[0] as conn:
            conn.settimeout(TIMEOUT)
            behave(conn)

    with socket.create_server((HERE, 0)) as listener:
        listener.settimeout(TIMEOUT)
        thread = threading.Thread(target=serve)
        thread.start()
        with closing(EchoClient(*listener.getsockname(), timeout=TIMEOUT)) as client:
            yield client
        thread.join(TIMEOUT)


@settings(derandomize=True, max_examples=50)
@given(st.lists(st.text(st.characters(codec="utf-8"))), st.integers(1, 2000))
def test_text_comes_back_whole(server, texts, buffer_size):
    with EchoClient(*server.address, buffer_size=buffer_size) as client:
        for text in texts:
            assert client.send(text) == text


def test_several_mib_do_not_deadlock(server):
    text = "ção🗣️" * 400_000
    with EchoClient(*server.address, timeout=TIMEOUT) as client:
        assert client.send(text) == text


def test_echo_one_byte_at_a_time_is_put_together():
    def behave(conn):
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in conn.recv(1024):
            conn.sendall(bytes([byte]))
        conn.recv(1)

    with peer(behave) as client:
        assert client.connect().send("olá, ção 🗣️") == "olá, ção 🗣️"


def test_life_of_a_conversation(server):
    client = EchoClient(*server.address)
    assert repr(client) == f"<EchoClient desconectado de 127.0.0.1:{server.address[1]}>"
    for text in ("olá", ""):
        with client as same:
            assert same is client.connect() is client and client.connected
            assert client.send(text) == text
            assert repr(client) == f"<EchoClient conectado a 127.0.0.1:{server.address[1]}>"
        client.close()
        assert not client.connected


def test_conversation_can_have_its_own_trace(server):
    trace = Trace()
    with EchoClient(*server.address, trace=trace) as client:
        client.send("olá")
    assert [event.call for event in trace.events()] == ["connect", "sendall", "recv", "close"]


def test_text_that_is_not_utf8_is_explained_and_the_conversation_goes_on(server):
    with EchoClient(*server.address) as client:
        with pytest.raises(UnicodeEncodeError) as caught:
            client.send("a\udcff")
        assert "este texto não pode virar bytes" in caught.value.__notes__[0]
        assert client.send("olá") == "olá"


# Defeitos do outro lado: cada um termina a conversa, com a explicação como nota.


def answer(data):
    def behave(conn):
        conn.recv(1024)
        conn.sendall(data)
        conn.shutdown(socket.SHUT_WR)
        conn.recv(1024)

    return behave


def cut(conn):
    conn.recv(1)
    reset(conn)


def listen_only(conn):
    while conn.recv(1024):
        pass


def drip(conn):
    """Devolve um byte de vez em quando, para sempre."""
    conn.settimeout(0.02)
    with suppress(ConnectionError):
        while True:
            conn.sendall(b"x")
            with suppress(TimeoutError):
                conn.recv(1024)


def test_deadline_that_ends_between_two_recv_is_explained_as_one_that_ends_in_recv(monkeypatch):
    clock = iter([0.0, 0.0, TIMEOUT + 1])  # o começo, o sendall, e já passou da hora no recv
    with peer(listen_only) as client:
        client.connect()
        monkeypatch.setattr("echo_lib.client.monotonic", lambda: next(clock))
        with pytest.raises(TimeoutError) as caught:
            client.send("olá")
    (note,) = caught.value.__notes__
    assert "o tempo acabou, e o eco não chegou" in note


@pytest.mark.parametrize(
    ("behave", "timeout", "error", "happened"),
    [
        (cut, TIMEOUT, ConnectionResetError, r"a conexão \(127.0.0.1:\d+\) foi cortada pelo outro"),
        (answer(b""), TIMEOUT, EchoError, "fechou a conexão depois de devolver 0 de 1000 bytes"),
        (answer(b"xx"), TIMEOUT, EchoError, "fechou a conexão depois de devolver 2 de 1000 bytes"),
        (answer(b"x" * 1001), TIMEOUT, EchoError, "não é um servidor de eco"),
        (answer(b"\x1b[2J"), TIMEOUT, EchoError, r"esperava o eco b'x+', recebi b'\\x1b\[2J'\."),
        (listen_only, 0.05, TimeoutError, "o servidor está em pausa, preso a outro cliente"),
        (drip, 0.3, TimeoutError, "o tempo acabou, e o eco"),  # o prazo é do send inteiro
    ],
)
def test_fault_of_the_other_side_is_explained(behave, timeout, error, happened):
    with peer(behave) as client:
        client.timeout = timeout
        with pytest.raises(error) as caught:
            client.connect().send("x" * 1000)
        assert not client.connected
    (note,) = caught.value.__notes__
    assert re.search(happened, note) and "O que fazer: " in note


@pytest.mark.skipif(sys.platform != "linux", reason="fila de conexões cheia, como o Linux a trata")
def test_connect_that_nobody_answers_ends_in_a_timeout():
    with socket.create_server((HERE, 0), backlog=0) as full:
        waiting = []
        with pytest.raises(TimeoutError) as caught:
            while len(waiting) < 10:
                waiting.append(EchoClient(*full.getsockname(), timeout=0.2).connect())
        for client in waiting:
            client.close()
    assert "um firewall descarta os pacotes" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("host", "error", "happened"),
    [
        (HERE, ConnectionRefusedError, "inicie o servidor e conecte de novo"),
        ("eco.invalid", socket.gaierror, "o nome da máquina (eco.invalid:1) não foi {}"),
        ("eu..eu", UnicodeError, "num nome de máquina, uma parte vazia"),
        ("255.255.255.255", OSError, "a rede (255.255.255.255:1) é inalcançável"),
    ],
)
def test_connect_that_fails_is_explained_and_can_be_tried_again(
    host, error, happened, untranslated
):
    client = EchoClient(host, 1, timeout=TIMEOUT)
    for _ in range(2):
        with pytest.raises(error) as caught:
            client.connect()
        assert happened.format(untranslated) in caught.value.__notes__[0]
        assert not client.connected


def test_send_without_connecting_is_explained():
    with pytest.raises(OSError, match="a conversa não está aberta") as caught:
        EchoClient().send("olá")
    assert "no cliente, chame connect antes" in caught.value.__notes__[0]


def test_close_from_another_thread_wakes_a_waiting_send():
    def behave(conn):
        conn.recv(1)
        closer.start()  # o cliente já envia, e nada voltará
        listen_only(conn)

    with peer(behave) as client:
        closer = threading.Thread(target=client.close)
        with pytest.raises(EchoError, match="você encerrou a conversa antes de o eco"):
            client.connect().send("olá" * 10_000)
        closer.join(TIMEOUT)
        assert not client.connected


def test_close_just_as_the_echo_arrives_leaves_nothing_open(server):
    class Slow(TracedSocket):
        """close() já decidiu acordar o send, e só então o eco chega."""

        def shutdown(self, how):
            deciding.set()
            thread.join(TIMEOUT)
            super().shutdown(how)

        def recv(self, *given):
            receiving.set()
            assert deciding.wait(TIMEOUT)
            return super().recv(*given)

    receiving, deciding = threading.Event(), threading.Event()
    client = EchoClient(*server.address)
    client._new_socket = Slow
    sock = client.connect()._sock
    thread = threading.Thread(target=client.send, args=["olá"])
    thread.start()
    assert receiving.wait(TIMEOUT)
    client.close()
    assert sock.fileno() == -1


@pytest.mark.skipif(sys.platform == "win32", reason="conta descritores de Unix")
def test_no_fault_leaves_a_descriptor_or_a_thread():
    process = psutil.Process()
    descriptors, threads = process.num_fds(), threading.active_count()
    for behave in (cut, answer(b""), answer(b"outra coisa")) * 20:
        with peer(behave) as client, pytest.raises(OSError):
            client.connect().send("olá")
        with pytest.raises(OSError):
            client.connect()  # agora recusado
    assert process.num_fds() <= descriptors and threading.active_count() <= threads


@pytest.mark.parametrize(
    ("option", "message"),
    [({"timeout": t}, "timeout em seg") for t in (0, -1, "5", None, float("nan"), float("inf"))]
    + [({"buffer_size": size}, "buffer_size inteiro") for size in (0, -1, 1.5, None)],
)
def test_option_that_makes_no_sense_is_refused(option, message):
    client, ((name, value),) = EchoClient(), option.items()
    with pytest.raises(ValueError, match=f"esperava {message}.*, maior que zero; recebi "):
        setattr(client, name, value)
    with pytest.raises(ValueError, match=f"esperava {message}.*, maior que zero; recebi "):
        EchoClient(**option)


def test_what_is_not_a_trace_is_refused_before_any_connection():
    with pytest.raises(TypeError, match="esperava um Trace; recebi True"):
        EchoClient(trace=True)


def test_bad_address_is_refused_before_any_call():
    with pytest.raises(ValueError, match="esperava só o endereço, sem http://"):
        EchoClient("http://127.0.0.1")


def test_close_while_connecting_wins(monkeypatch):
    with EchoServer(port=0) as server:
        client = EchoClient(*server.address, timeout=TIMEOUT)
        monkeypatch.setattr(client, "_new_socket", lambda: interrupted(client))
        with pytest.raises(OSError, match="foi encerrada"):
            client.connect()
        assert not client.connected


def interrupted(client):
    """Um socket que, ao conectar, vê a conversa ser encerrada por outra thread."""

    class Closing(socket.socket):
        def connect(self, address):
            super().connect(address)
            thread = threading.Thread(target=client.close)
            thread.start()
            thread.join(TIMEOUT)

    return Closing(socket.AF_INET, socket.SOCK_STREAM)


def test_two_threads_take_turns_in_one_conversation():
    with EchoServer(port=0) as server, EchoClient(*server.address, timeout=TIMEOUT) as client:
        texts = [letter * 50_000 for letter in "abcd"]
        with ThreadPoolExecutor() as pool:
            assert list(pool.map(client.send, texts)) == texts


def test_only_text_can_be_sent():
    with EchoServer(port=0) as server, EchoClient(*server.address, timeout=TIMEOUT) as client:
        with pytest.raises(TypeError, match=r"esperava um texto \(str\); recebi b'oi'"):
            client.send(b"oi")
        assert client.send("oi") == "oi"
