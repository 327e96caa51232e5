"""Trace e TracedSocket: cada chamada de socket gravada, sem mudar o programa observado."""

import array
import asyncio
import errno
import random
import signal
import socket
import socketserver
import sys
import threading
import tracemalloc
from contextlib import ExitStack
from time import perf_counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from echo_lib import EchoClient, EchoServer, Trace, TracedSocket
from echo_lib.errors import printable
from echo_lib.trace import KEPT_BYTES
from tests.common import HERE, TIMEOUT, reset

DATA = "olá, ção 🗣️".encode()
OPENING = 5  # eventos de connected(): bind, listen, connect, accept, close


def connected():
    """As duas pontas de uma conexão: o cliente e a conexão aceita."""
    with socket.create_server((HERE, 0)) as listener:
        client = socket.create_connection(listener.getsockname(), TIMEOUT)
        conn = listener.accept()[0]
        conn.settimeout(TIMEOUT)
        return client, conn


@pytest.fixture
def trace():
    with Trace() as trace:
        yield trace


@pytest.fixture
def pair(trace):
    """Uma conexão já rastreada; do teste são os eventos depois dos OPENING primeiros."""
    client, conn = connected()
    with client, conn:
        yield client, conn


def run(*threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive()


# Cinco programas diferentes que ecoam DATA uma vez; nenhum sabe que é observado.


def raw():
    def serve():
        conn, _ = s.accept()
        with conn:
            conn.sendall(conn.recv(1024))

    def talk():
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.connect(s.getsockname())
            client.sendall(DATA)
            assert client.recv(1024) == DATA

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.bind((HERE, 0))
        s.listen()
        run(threading.Thread(target=serve), threading.Thread(target=talk))


def make_file():
    client, conn = connected()
    with client, conn, client.makefile("rwb") as mine, conn.makefile("rb") as theirs:
        mine.write(DATA + b"\n")
        mine.flush()
        conn.sendall(theirs.readline())
        assert mine.readline() == DATA + b"\n"


def threading_tcp_server():
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(self.rfile.read(len(DATA)))

    with (
        socketserver.ThreadingTCPServer((HERE, 0), Handler) as server,
        socket.create_connection(server.server_address, TIMEOUT) as client,
    ):
        client.sendall(DATA)
        server.handle_request()
        assert client.recv(1024) == DATA


def asyncio_streams():
    async def echo(reader, writer):
        writer.write(await reader.read(1024))
        writer.close()
        await writer.wait_closed()
        done.set()

    async def main():
        server = await asyncio.start_server(echo, HERE, 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(DATA)
        assert await reader.read() == DATA
        writer.close()
        await writer.wait_closed()
        await asyncio.wait_for(done.wait(), TIMEOUT)
        server.close()
        await server.wait_closed()

    done = asyncio.Event()
    asyncio.run(main())


def library():
    with EchoServer(port=0) as server, EchoClient(*server.address) as client:
        assert client.send(DATA.decode()) == DATA.decode()


@pytest.mark.parametrize(
    ("program", "threads"),
    [(raw, 3), (make_file, 1), (threading_tcp_server, 2), (asyncio_streams, 1), (library, 2)],
)
def test_program_is_traced_without_a_line_changed(trace, program, threads):
    program()
    events = trace.events()
    assert [event.call for event in events][:2] == ["bind", "listen"]
    assert {event.call for event in events} >= {"connect", "accept", "close"}
    assert len({event.thread for event in events}) == threads
    for role in ("client", "server"):
        mine = [event for event in events if event.role == role]
        sent = b"".join(event.data for event in mine if event.call.startswith("send"))
        assert sent.strip() == DATA and {event.connection for event in mine} == {1}
    (accept,) = [event for event in events if event.call == "accept" and not event.error]
    client = next(event for event in events if event.role == "client" and event.data)
    assert (accept.local, accept.peer) == (client.peer, client.local)


def test_cause_comes_before_effect(trace):
    def talk():
        with EchoClient(*server.address) as client:
            for size in (1, 1024, 5000):
                client.send("x" * size)

    with EchoServer(port=0) as server:
        run(*(threading.Thread(target=talk) for _ in range(8)))
    connecting, closed, travelling = set(), set(), {}
    for event in trace.events():
        here, there = (event.connection, event.local), (event.connection, event.peer)
        if event.call == "connect":
            connecting.add(here)
        elif event.call == "accept":
            assert there in connecting
        elif event.call.startswith("send"):
            travelling[here] = travelling.get(here, 0) + event.size
        elif event.call == "recv":
            travelling[there] = travelling.get(there, 0) - event.size
            assert travelling[there] >= 0 and (event.size or there in closed)
        elif event.call == "close":
            closed.add(here)
    assert len(connecting) == 8 and set(travelling.values()) == {0}


def test_same_ports_used_again_are_another_connection(trace):
    with socket.create_server((HERE, 0)) as listener:
        port = 0
        for _ in range(3):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.bind((HERE, port))
            port = client.getsockname()[1]
            client.connect(listener.getsockname())
            conn = listener.accept()[0]
            reset(client)
            conn.close()
    for role in ("client", "server"):
        closed = [e for e in trace.events() if (e.role, e.call) == (role, "close")]
        assert [event.connection for event in closed] == [1, 2, 3]


def test_client_that_leaves_before_accept_is_the_same_connection(trace):
    with socket.create_server((HERE, 0)) as listener:
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(DATA)
        with listener.accept()[0] as conn:
            assert conn.recv(1024) == DATA
    assert {event.connection for event in trace.events() if event.data} == {1}


def test_client_already_gone_as_on_macos_is_accepted_as_without_the_trace(trace, monkeypatch):
    def gone(sock):
        raise OSError(errno.EINVAL, "Invalid argument")

    with socket.create_server((HERE, 0)) as listener:
        with socket.create_connection(listener.getsockname()) as client:
            ours = client.getsockname()
        with monkeypatch.context() as patch:
            patch.setattr(TracedSocket, "getsockname", gone, raising=False)
            conn, peer = listener.accept()
        conn.close()
    accept = next(event for event in trace.events() if event.call == "accept")
    assert peer == accept.peer == ours and accept.error is accept.local is None


def test_connections_never_accepted_do_not_pile_up(trace):
    with socket.create_server((HERE, 0), backlog=2000) as listener:
        for _ in range(1500):
            reset(socket.create_connection(listener.getsockname()))
    assert len(trace._half_open) <= 1024


def test_errors_are_recorded_and_hold_nothing(trace, pair):
    client, conn = pair
    address = client.getpeername()
    with socket.socket() as other:
        with pytest.raises(ConnectionRefusedError):
            other.connect(address)
        assert other.connect_ex(address) == errno.ECONNREFUSED
    client.settimeout(0.01)
    with pytest.raises(TimeoutError):
        client.recv(7)
    reset(conn)
    client.settimeout(TIMEOUT)
    with pytest.raises(ConnectionResetError):
        client.recv(7)
    with pytest.raises(BrokenPipeError):
        client.sendall(DATA)
    failed = [event for event in trace.events() if event.error]
    assert [(event.call, type(event.error)) for event in failed] == [
        ("connect", ConnectionRefusedError),
        ("connect_ex", ConnectionRefusedError),
        ("recv", TimeoutError),
        ("recv", ConnectionResetError),
        ("sendall", BrokenPipeError),
    ]
    assert [event.connection for event in failed] == [None, None, 1, 1, 1]
    assert all(event.error.__traceback__ is None for event in failed)
    assert f"connect({address}) → ConnectionRefusedError: [Errno " in str(failed[0])


@pytest.mark.skipif(sys.platform != "linux", reason="fila de conexões cheia, como o Linux a trata")
def test_interrupted_connect_is_not_taken_for_a_connection(trace):
    def interrupt(*_):
        raise KeyboardInterrupt

    older = signal.signal(signal.SIGALRM, interrupt)
    with socket.create_server((HERE, 0), backlog=0) as full:
        queue = [socket.socket() for _ in range(5)]
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            for sock in queue:
                sock.connect(full.getsockname())
        for sock in queue:
            sock.close()
    signal.signal(signal.SIGALRM, older)
    event = [event for event in trace.events() if event.call == "connect"][-1]
    assert isinstance(event.error, KeyboardInterrupt) and event.connection is None


def test_sockets_from_outside_the_block_are_plain():
    before = socket.socket()
    with before, Trace() as trace:
        with Trace():
            pass
        inside = socket.socket()
    with inside, socket.socket() as after:
        assert type(before) is type(after) is socket.socket
        assert type(inside) is TracedSocket and trace.events() == []


def test_class_imported_before_by_its_name_is_also_traced(monkeypatch):
    main, plain = sys.modules["__main__"], socket.socket
    monkeypatch.setattr(main, "socket", plain, raising=False)
    monkeypatch.setattr(main, "Rastreado", TracedSocket, raising=False)
    with Trace() as trace:
        main.socket().close()
    assert [event.call for event in trace.events()] == ["close"]
    assert main.socket is socket.socket is plain and main.Rastreado is TracedSocket


def test_listener_of_the_block_keeps_tracing_after_it():
    with Trace() as trace:
        listener = socket.create_server((HERE, 0))
    with listener, socket.create_connection(listener.getsockname()) as client:
        assert type(client) is socket.socket
        with listener.accept()[0] as conn:
            conn.sendall(DATA)
    assert [e.call for e in trace.events() if e.connection] == ["accept", "sendall", "close"]


def test_innermost_trace_records_unless_one_is_given(trace):
    mine = Trace()
    with Trace() as inner, TracedSocket(trace=mine) as given, socket.socket() as other:
        given.bind((HERE, 0))
        other.bind((HERE, 0))
    assert [e.call for e in mine.events()] == [e.call for e in inner.events()] == ["bind", "close"]
    assert trace.events() == []


@pytest.mark.parametrize("call", ["recv", "recv_into", "recvfrom"])
def test_call_that_fails_leaves_its_event(trace, pair, call):
    client, _ = pair
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        getattr(client, call)(bytearray(9) if call.endswith("into") else 9)
    (event,) = trace.events(after=OPENING)
    assert (event.call, event.size) == (call, 0)
    assert isinstance(event.error, BlockingIOError)


def test_memory_is_bounded_and_what_was_dropped_is_counted():
    with Trace(limit=10) as trace:
        client, conn = connected()
    with client, conn:
        for size in range(20):
            client.sendall(bytes(size))
        client.sendall(bytes(3 * KEPT_BYTES))
    events = trace.events()
    assert [event.number for event in events] == list(range(1, 11)) and trace.dropped == 28 - 10
    assert (events[7].size, len(events[7].data)) == (3 * KEPT_BYTES, KEPT_BYTES)


def test_last_byte_is_known_without_building_the_events(trace):
    assert trace.moved() is None
    client, conn = connected()
    assert trace.moved() == 0.0
    with client, conn:
        for data in (b"oi", DATA):
            client.sendall(data)
            conn.recv(1024)
            assert (
                trace.moved() == trace.events()[-1].time == trace.moved()
            )  # também depois de lidos
        began = perf_counter()
        client.sendall(DATA)
        before = trace.moved()
        assert began < before < perf_counter()  # o fim da chamada, e não o começo
        assert trace.events()[-1].time < trace.moved() == pytest.approx(before)
    assert trace.moved() == pytest.approx(before)


def test_what_overflows_from_several_threads_is_counted_to_the_last_event():
    def work(client, conn):
        for _ in range(rounds):
            client.send(DATA)
            conn.recv(1024)

    rounds, workers, limit = 100, 4, 40
    with Trace(limit=limit) as trace:
        pairs = [connected() for _ in range(workers)]
    threads = [threading.Thread(target=work, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            trace.events()
            thread.join(0.001)  # quem só lê, sem parar, toma a vez de quem grava
    for client, conn in pairs:
        client.close()
        conn.close()
    assert trace.dropped + len(trace.events()) == workers * (OPENING + 2 * rounds + 2)
    assert len(trace.events()) == limit


def test_trace_nobody_reads_does_not_grow():
    tracemalloc.start()
    try:
        with Trace(limit=100) as trace:
            client, conn = connected()
        with client, conn:
            for _ in range(1000):  # 1 MB em 2000 chamadas; o rastro guarda no máximo 105
                client.send(random.randbytes(1024))
                conn.recv(1024)
            grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert grown < 200_000 and trace.dropped == OPENING + 2000 + 2 - 100


def test_socket_closed_while_this_thread_makes_room_does_not_hang():
    class Forgotten(OSError):
        """Um erro que, ao sair do rastro, fecha um socket rastreado."""

        def __del__(self):
            self.sock.close()

    with Trace(limit=1) as trace:
        client, conn = connected()
        error = Forgotten()
        error.sock = conn
        trace._rows.append((0.0, 0.0, "recv", 1, 0, b"", error, 0, client._ends))
        del error
        client.close()  # descarta a linha de cima, e com ela fecha conn
    assert conn.fileno() == -1
    assert trace.dropped + len(trace.events()) == OPENING + 1 + 2


def test_who_reads_little_by_little_gets_each_event_once_and_all_are_kept(trace):
    assert trace.events() == []
    client, conn = connected()
    first = trace.events()
    with client, conn:
        client.sendall(DATA)
        conn.recv(1024)
        second = trace.events(after=OPENING)
    assert [event.call for event in first] == ["bind", "listen", "connect", "accept", "close"]
    assert [event.call for event in second] == ["sendall", "recv"]
    assert trace.events(after=OPENING, most=1) == second[:1]
    assert len(trace.events(after=7)) == 2 and len(trace.events()) == 9 and trace.dropped == 0


def test_nothing_is_lost_or_seen_twice_while_threads_record():
    def work(client, conn):
        for i in range(rounds):
            client.sendall(str(i).encode())
            conn.recv(1024)

    rounds, workers = 300, 6
    with Trace() as trace:
        pairs = [connected() for _ in range(workers)]
    threads = [threading.Thread(target=work, args=pair) for pair in pairs]
    seen = []
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            seen += trace.events(after=len(seen))
            thread.join(0.001)
    for client, conn in pairs:
        client.close()
        conn.close()
    seen += trace.events(after=len(seen))
    assert sorted(event.number for event in seen) == list(range(1, len(seen) + 1))
    assert len(seen) == workers * (OPENING + 2 * rounds + 2) and trace.dropped == 0
    for number in range(1, workers + 1):
        for call in ("sendall", "recv"):
            mine = [e.data for e in seen if (e.connection, e.call) == (number, call)]
            assert mine == [str(i).encode() for i in range(rounds)]


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="conta referências")
@pytest.mark.parametrize("fail", [lambda s: s.connect((HERE, 1)), lambda s: s.recv(1)])
def test_unclosed_socket_is_collected_at_once_even_after_an_error(trace, fail):
    client = socket.socket()
    with pytest.raises(OSError):
        fail(client)
    with pytest.warns(ResourceWarning, match=r"unclosed <echo_lib\.trace\.TracedSocket"):
        del client


def test_sockets_that_are_not_tcp_work_and_are_not_recorded(trace):
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind((HERE, 0))
        udp.connect(udp.getsockname())
        udp.send(DATA)
        assert udp.recv(1024) == DATA
    one, other = socket.socketpair()
    with one, other:
        one.sendall(DATA)
        assert other.recv(1024) == DATA
    assert trace.events() == []


def test_pair_made_of_tcp_sockets_as_on_windows_is_not_recorded(trace, monkeypatch):
    monkeypatch.setattr("echo_lib.trace._plain_pair", connected)
    asyncio.run(asyncio.sleep(0))  # o laço do asyncio tem o seu par
    one, other = socket.socketpair()
    with one, other:
        one.sendall(DATA)
        assert other.recv(1024) == DATA
    assert trace.events() == []
    with socket.create_server((HERE, 0)):
        assert trace.events()


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, lambda b: array.array("H", b)])
@pytest.mark.parametrize(
    "call", [c for c in ("send", "sendall", "sendmsg") if hasattr(socket.socket, c)]
)
def test_any_kind_of_buffer_can_be_sent(trace, pair, wrap, call):
    data = wrap(b"abcd")
    getattr(pair[0], call)([data, data] if call == "sendmsg" else data)
    sent = pair[1].recv(100)
    if wrap is bytearray:
        data[:] = b"mudo"  # o rastro guardou uma cópia
    event, _ = trace.events(after=OPENING)
    assert event.data == sent == b"abcdabcd"[: event.size] and event.size >= 4


@pytest.mark.parametrize("room", [0, 3])
@pytest.mark.parametrize("make", [bytearray, lambda n: array.array("H", bytes(n))])
def test_recv_into_fills_as_much_as_on_a_plain_socket(trace, pair, make, room):
    buffer = make(8)
    pair[0].sendall(b"abcdefgh")
    assert pair[1].recv_into(buffer, room) == (room or 8)
    event = trace.events()[-1]
    assert (
        event.data == bytes(memoryview(buffer).cast("B")[: room or 8]) and event.data[:3] == b"abc"
    )


@pytest.mark.parametrize("call", ["connect", "connect_ex"])
def test_connect_that_does_not_wait_is_matched_to_its_accept(trace, call):
    with socket.create_server((HERE, 0)) as listener, socket.socket() as client:
        client.setblocking(False)
        try:
            expected = errno.EWOULDBLOCK if sys.platform == "win32" else errno.EINPROGRESS
            assert getattr(client, call)(listener.getsockname()) == expected
        except BlockingIOError:
            assert call == "connect"
        with listener.accept()[0] as conn:
            conn.shutdown(socket.SHUT_WR)
    events = trace.events()
    (connect,) = [event for event in events if event.call == call]
    (shutdown,) = [event for event in events if event.call == "shutdown"]
    assert isinstance(connect.error, BlockingIOError) and connect.role == "client"
    assert connect.connection == shutdown.connection == 1
    assert (connect.local, connect.peer) == (shutdown.peer, shutdown.local)


def test_event_reads_like_the_call(trace, pair):
    client, conn = pair
    client.sendall(b"ol\xc3\xa1" * 20)
    conn.recv(1024)
    client.close()
    client.close()  # fechar de novo não é nada
    bind, listen, _, accept, _, send, recv, *rest = map(str, trace.events())
    assert bind == f"bind({(HERE, 0)})" and listen.startswith("listen(")
    assert accept == f"accept() → {conn.getpeername()}"
    assert send.startswith("sendall() → 80 bytes b'ol\\xc3\\xa1ol") and send.endswith("'…")
    assert recv.startswith("recv(1024) → 80 bytes b'ol") and rest == ["close()"]


def test_accepted_connection_does_not_inherit_the_timeout(pair):
    with socket.create_server((HERE, 0)) as listener:
        listener.settimeout(TIMEOUT)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as conn:
            assert conn.gettimeout() is None


@settings(derandomize=True)
@given(st.text() | st.binary())
@example("\x1b[2J\x07\r\n\t\x9b\u202e\u2066\u200f\u2028\ufeff\U000e0041\ud83d")
@example(b"\xff\x1b]0;t\xc3")
def test_printable_never_lets_a_control_through(data):
    text = printable(data)
    assert all(c.isprintable() or c == "\u200d" for c in text)
    text.encode()


def test_printable_shows_the_letters_that_are_drawn_as_nothing():
    assert printable("\u3164\u115f\u2800") == "\\u3164\\u115f\\u2800"


@pytest.mark.parametrize("text", ["olá, ção 🗣️", "👩\u200d💻", "'\"\\", "日本"])
def test_printable_keeps_what_can_be_read(text):
    assert printable(text) == printable(text.encode()) == text
    assert printable(text.encode() + b"\xc3\x1b") == text + "\\xc3\\x1b"


def test_text_without_encode_sends_nothing_and_the_position_in_the_stream_is_kept():
    with (
        Trace() as trace,
        socket.create_server((HERE, 0)) as listener,
        socket.create_connection(listener.getsockname(), timeout=TIMEOUT) as client,
    ):
        with pytest.raises(TypeError):
            client.sendall("olá")
        client.sendall("olá".encode())
    wrong, right = [event for event in trace.events() if event.call == "sendall"]
    assert isinstance(wrong.error, TypeError) and (right.offset, right.size) == (0, 4)


@pytest.mark.parametrize("asked", [((1024,),), (b"9",), (9, "x"), ((9, 2),)])
def test_recv_that_asks_for_nonsense_is_recorded_and_read_all_the_same(asked):
    with Trace() as trace, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        with pytest.raises(TypeError):
            sock.recv(*asked)
        (event, *_) = trace.events()
    assert event.receives and "TypeError" in str(event)


def test_copy_of_a_client_made_before_the_accept_is_of_the_same_connection():
    with Trace() as trace, ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((HERE, 0)))
        client = stack.enter_context(socket.create_connection(listener.getsockname(), TIMEOUT))
        copy = stack.enter_context(client.dup())
        conn = stack.enter_context(listener.accept()[0])
        copy.sendall(b"oi")
        assert conn.recv(2) == b"oi" and copy.gettimeout() == TIMEOUT
    found = {event.connection for event in trace.events() if event.call not in ("bind", "listen")}
    assert found - {None} == {1}
