"""Do rastro ao desenho: linhas de vida, linhas e setas, conferidas em sockets de verdade."""

import asyncio
import re
import socket
import struct
import sys
import tracemalloc
import xml.etree.ElementTree as ElementTree
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echo_lib import EchoServer, Trace
from echo_lib.panels import still
from echo_lib.panels.scene import SHOWN_BYTES, TAIL_BYTES, Scene
from tests.common import HERE, TIMEOUT


class Talk:
    """As duas pontas de uma conversa, neste processo, e o rastro dela."""

    def __init__(self, limit=10_000):
        self.trace = Trace(limit)
        with self.trace, socket.create_server((HERE, 0)) as listener:
            self.client = socket.create_connection(listener.getsockname(), timeout=TIMEOUT)
            self.conn, _ = listener.accept()
            self.conn.settimeout(TIMEOUT)

    def receive(self, sock, size):
        """Um recv que traz exatamente `size` bytes: espera que estejam todos no buffer."""
        while len(sock.recv(size, socket.MSG_PEEK)) < size:
            pass
        return sock.recv(size)

    def drawn(self):
        return Drawing(self.trace.events())

    def close(self):
        self.client.close()
        self.conn.close()


class Drawing:
    """Os registros de uma cena, do jeito que a página os guarda."""

    def __init__(self, events, *, sizes=()):
        self.lines, self.rows, self.links = {}, {}, {}
        scene, events = Scene(), list(events)
        for size in (*sizes, len(events)):
            batch, events = events[:size], events[size:]
            update = scene.add(batch)
            for name in ("lines", "rows", "links"):
                for record in update[name]:
                    getattr(self, name)[record["id"]] = record
        self.links = {k: v for k, v in self.links.items() if not v.get("gone")}

    def of_kind(self, kind):
        return [link for link in self.links.values() if link["kind"] == kind]

    def call(self, number):
        return self.rows[number]["call"]


@pytest.fixture
def talk():
    talk = Talk()
    yield talk
    talk.close()


def test_handshake_goes_from_the_client_to_the_listener_and_accept_makes_the_connection(talk):
    drawn = talk.drawn()
    (handshake,), (accept,) = drawn.of_kind("handshake"), drawn.of_kind("accept")
    names = {line["id"]: line["name"] for line in drawn.lines.values()}
    assert [names[handshake[end]] for end in ("source", "target")] == ["cliente 1", "escuta"]
    assert [names[accept[end]] for end in ("source", "target")] == ["escuta", "conn 1"]
    order = sorted(drawn.lines.values(), key=lambda line: line["order"])
    assert [line["name"] for line in order] == ["escuta", "conn 1", "cliente 1"]
    assert not any(line["ghost"] for line in order)


def test_a_message_split_over_several_recv_has_an_arrow_to_each(talk):
    talk.client.sendall("olá".encode() * 500)
    for size in (1024, 976):
        talk.receive(talk.conn, size)
    arrows = talk.drawn().of_kind("data")
    assert [a["label"].split(" “")[0] for a in arrows] == [
        "1024 de 2000 bytes",
        "976 de 2000 bytes",
    ]
    assert len({a["from"] for a in arrows}) == 1 and len({a["to"] for a in arrows}) == 2


def test_one_byte_of_several_is_in_the_plural(talk):
    talk.client.sendall(b"oi")
    for _ in range(2):
        talk.receive(talk.conn, 1)
    talk.client.sendall(b"!")
    talk.receive(talk.conn, 1)
    labels = [a["label"].split(" “")[0] for a in talk.drawn().of_kind("data")]
    assert labels == ["1 de 2 bytes", "1 de 2 bytes", "1 byte"]


def test_messages_that_arrive_as_one_converge(talk):
    for word in (b"um", b"dois"):
        talk.client.sendall(word)
    assert talk.receive(talk.conn, 6) == b"umdois"
    arrows = talk.drawn().of_kind("data")
    assert [a["label"] for a in arrows] == ["2 bytes “um”", "4 bytes “dois”"]
    assert len({a["to"] for a in arrows}) == 1


@settings(max_examples=30)
@given(
    sent=st.lists(st.integers(1, 300), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 400), max_size=6),
    batches=st.lists(st.integers(0, 5), max_size=8),
)
def test_arrows_carry_every_byte_once_whatever_the_chunks_and_the_batches(sent, cuts, batches):
    talk = Talk()
    try:
        for size in sent:
            talk.client.sendall(bytes(size))
        left = sum(sent)
        for cut in [*cuts, left]:
            if left:
                left -= len(talk.receive(talk.conn, min(cut, left)))
    finally:
        talk.close()
    drawn = Drawing(talk.trace.events(), sizes=batches)
    arrows = [a for a in drawn.of_kind("data")]
    assert all(a["from"] and a["to"] for a in arrows)
    sizes = [int(a["label"].split()[0]) for a in arrows]
    for end in ("from", "to"):
        for number in {a[end] for a in arrows}:
            carried = sum(s for s, a in zip(sizes, arrows, strict=True) if a[end] == number)
            assert carried == drawn.rows[number]["size"]


def test_peeking_takes_no_bytes_from_the_stream(talk):
    talk.client.sendall(b"oi")
    talk.conn.recv(10, socket.MSG_PEEK)
    talk.conn.recv(10)
    drawn = talk.drawn()
    (arrow,) = drawn.of_kind("data")
    assert drawn.call(arrow["to"]) == "recv(10)"
    assert "recv(10, MSG_PEEK)" in [row["call"] for row in drawn.rows.values()]


def test_closing_sends_fin_which_the_other_side_reads_as_the_end(talk):
    talk.client.shutdown(socket.SHUT_WR)
    assert talk.conn.recv(1024) == b""
    talk.client.close()
    drawn = talk.drawn()
    (fin,) = drawn.of_kind("fin")
    assert fin["label"] == "FIN"
    assert (drawn.call(fin["from"]), drawn.call(fin["to"])) == ("shutdown(SHUT_WR)", "recv(1024)")
    assert drawn.rows[fin["to"]]["result"] == "b'' (fim)"


def test_a_reset_is_drawn_as_rst(talk):
    talk.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.conn.close()
    with pytest.raises(ConnectionResetError):
        talk.client.recv(1024)
    drawn = talk.drawn()
    (reset,) = drawn.of_kind("fin")
    assert reset["label"] == "RST" and drawn.rows[reset["to"]]["kind"] == "error"


def test_closing_with_unread_bytes_is_a_reset(talk):
    talk.client.sendall(b"nada")
    assert talk.conn.recv(1, socket.MSG_PEEK)
    talk.conn.close()
    (reset,) = talk.drawn().of_kind("fin")
    assert reset["label"] == "RST"


def test_after_a_reset_that_was_read_closing_sends_nothing(talk):
    talk.client.sendall(b"nada")
    assert talk.conn.recv(1, socket.MSG_PEEK)
    talk.conn.close()
    with pytest.raises(ConnectionResetError):
        talk.client.recv(1024)
    talk.client.close()
    (reset,) = talk.drawn().of_kind("fin")
    assert (reset["label"], reset["source"]) == ("RST", "1server")


def test_after_a_reset_that_nobody_read_closing_sends_nothing(talk):
    talk.client.sendall(b"nada")
    assert talk.conn.recv(1, socket.MSG_PEEK)
    talk.conn.close()
    talk.client.close()
    (reset,) = talk.drawn().of_kind("fin")
    assert (reset["label"], reset["source"]) == ("RST", "1server")


def test_bytes_sent_to_who_already_closed_leave_nothing_for_the_close_to_say(talk):
    talk.conn.close()
    talk.client.sendall(b"tarde demais")
    talk.client.close()
    (fin,) = talk.drawn().of_kind("fin")
    assert (fin["label"], fin["source"]) == ("FIN", "1server")


def test_after_a_broken_pipe_closing_sends_nothing():
    with Trace() as trace, socket.create_server((HERE, 0)) as listener:
        outside = socket.SocketType(socket.AF_INET, socket.SOCK_STREAM)
        outside.connect(listener.getsockname())  # sem rastro: outra máquina
        conn, _ = listener.accept()
        outside.close()
        with conn, pytest.raises(ConnectionError):
            while True:
                conn.send(b"x")
    assert Drawing(trace.events()).of_kind("fin") == []


def test_refused_connection_has_no_target_and_says_the_error():
    with socket.create_server((HERE, 0)) as gone:
        address = gone.getsockname()
    with Trace() as trace, pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=TIMEOUT)
    drawn = Drawing(trace.events())
    (arrow,) = drawn.of_kind("refused")
    nobody = drawn.lines[arrow["target"]]
    assert (nobody["name"], nobody["note"]) == ("{}:{}".format(*address), "ninguém escuta")
    assert drawn.rows[arrow["from"]]["result"].startswith("ConnectionRefusedError")
    assert drawn.lines[arrow["source"]]["name"] == "cliente"


def test_a_bound_socket_that_does_not_listen_is_who_refuses():
    with Trace() as trace, socket.socket() as bound:
        bound.bind((HERE, 0))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(bound.getsockname(), timeout=TIMEOUT)
    (arrow,) = Drawing(trace.events()).of_kind("refused")
    assert arrow["target"] == "s1"


def test_listener_and_who_stays_keep_their_lines_however_many_come_and_go(monkeypatch):
    monkeypatch.setattr("echo_lib.panels.scene._LINES", 20)
    talk = Talk()
    drawn = talk.drawn()
    with talk.trace, socket.create_server((HERE, 0)) as listener:
        for _ in range(30):
            socket.create_connection(listener.getsockname(), timeout=TIMEOUT).close()
            listener.accept()[0].close()
            with pytest.raises(ConnectionRefusedError), closing(socket.socket()) as bound:
                bound.bind((HERE, 0))
                bound.connect((HERE, 1))
        talk.client.sendall(b"oi")
        talk.receive(talk.conn, 2)
        talk.close()
    names = [line.get("name") for line in Drawing(talk.trace.events()).lines.values()]
    assert names.count("escuta 2") == 1 and "escuta 3" not in names
    kept = Drawing(talk.trace.events()).lines
    for name in ("1server", "1client"):
        assert kept[name]["order"] == drawn.lines[name]["order"] and not kept[name]["ghost"]


def test_a_connection_that_got_no_answer_is_not_said_to_be_refused():
    with socket.create_server((HERE, 0)) as gone:
        address = gone.getsockname()
    with Trace() as trace, pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=TIMEOUT)
    first, *rest = trace.events()
    drawn = Drawing([replace(first, error=TimeoutError("timed out")), *rest])
    (arrow,) = drawn.of_kind("lost")
    assert drawn.lines[arrow["target"]]["note"] == "sem resposta"


def test_letter_cut_by_the_drawing_is_not_shown_in_half():
    talk = Talk()
    data = "a" + "ção" * 100
    with closing(talk):
        talk.client.sendall(data.encode())
        talk.receive(talk.conn, 3)  # a, ç e meio ã: este corte foi do recv
    rows = talk.drawn().rows.values()
    (sent,) = (row for row in rows if row["kind"] == "send" and row["size"] > 99)
    first, last = (part["text"] for part in sent["bytes"])
    assert data.startswith(first) and data.endswith(last)
    *_, read = (row for row in rows if row["size"] == 3)
    assert read["bytes"][0]["text"] == "aç"


def test_peer_outside_the_trace_is_a_supposed_line():
    with closing(socket.SocketType()) as other:  # sem rastro: como noutra máquina
        other.bind((HERE, 0))
        other.listen()
        with Trace() as trace, socket.create_connection(other.getsockname()) as client:
            with closing(socket.SocketType(fileno=other._accept()[0])) as conn:
                client.sendall(b"oi")
                conn.sendall(conn.recv(9))
            client.recv(9)
    drawn = Drawing(trace.events())
    (ghost,) = [line for line in drawn.lines.values() if line["ghost"]]
    assert (ghost["kind"], ghost["note"]) == ("server", "fora deste rastro")
    loose = [(a["from"] is None, a["to"] is None) for a in drawn.of_kind("data")]
    assert loose == [(False, True), (True, False)]


@pytest.mark.parametrize("address", [("127.0.0.1", "80"), ("127.0.0.1",), (["127.0.0.1"], 80)])
def test_a_malformed_address_is_a_row_without_arrows(address):
    with Trace() as trace, socket.socket() as client, pytest.raises(TypeError):
        client.connect(address)
    drawn = Drawing(trace.events())
    assert [row["kind"] for row in drawn.rows.values()] == ["error", "close"]
    assert drawn.links == {}
    ElementTree.fromstring(still.svg(trace.events()))


def test_a_refused_asyncio_connection_has_no_fin_and_a_good_one_has_its_handshake():
    async def talk(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"oi")
        await reader.readexactly(2)
        writer.close()
        await writer.wait_closed()

    with EchoServer(port=0) as server, Trace() as trace:
        asyncio.run(talk(server.address[1]))
    assert len(Drawing(trace.events()).of_kind("handshake")) == 1
    with Trace() as trace, pytest.raises(OSError):
        asyncio.run(talk(1))
    drawn = Drawing(trace.events())
    assert (drawn.of_kind("fin"), drawn.of_kind("handshake")) == ([], [])


def test_other_ways_to_receive_and_to_send_keep_the_arrows_right(talk, tmp_path):
    (tmp_path / "file").write_bytes(b"FFF")
    with (tmp_path / "file").open("rb") as file:
        talk.client.sendfile(file)
    talk.client.sendall(b"CC")
    while len(talk.conn.recv(9, socket.MSG_PEEK)) < 5:
        pass
    talk.conn.recv_into(bytearray(2), 2, socket.MSG_PEEK)
    assert talk.conn.recvfrom(3)[0] == b"FFF"
    talk.conn.recv(9)
    drawn = talk.drawn()
    arrows = [(a["label"], drawn.call(a["to"])) for a in drawn.of_kind("data")]
    assert arrows == [("3 bytes “FFF”", "recvfrom(3)"), ("2 bytes “CC”", "recv(9)")]


def test_a_duplicated_socket_is_the_same_one_until_its_last_close(talk):
    copy = talk.client.dup()
    talk.client.close()
    copy.sendall(b"oi")
    talk.receive(talk.conn, 2)
    assert talk.drawn().of_kind("fin") == []
    copy.close()
    drawn = talk.drawn()
    assert [a["label"] for a in drawn.of_kind("data")] == ["2 bytes “oi”"]
    assert len(drawn.of_kind("fin")) == 1


def test_a_listener_that_closed_is_no_longer_a_target():
    with Trace() as trace:
        with socket.create_server((HERE, 0)) as listener:
            address = listener.getsockname()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=TIMEOUT)
    drawn = Drawing(trace.events())
    (arrow,) = drawn.of_kind("refused")
    assert drawn.lines[arrow["target"]]["note"] == "ninguém escuta"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="sem IPv6 nesta máquina")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_dual_stack_listener_sees_both_families(host):
    with Trace() as trace:
        address = ("", 0)
        family = socket.AF_INET6
        with socket.create_server(address, family=family, dualstack_ipv6=True) as listener:
            client = socket.create_connection((host, listener.getsockname()[1]), timeout=TIMEOUT)
            conn, _ = listener.accept()
            client.sendall(b"oi")
            conn.recv(9)
            client.close()
            conn.close()
    drawn = Drawing(trace.events())
    (handshake,), (arrow,) = drawn.of_kind("handshake"), drawn.of_kind("data")
    assert drawn.lines[handshake["target"]]["name"] == "escuta"
    assert arrow["from"] and arrow["to"]
    assert not any(line["ghost"] for line in drawn.lines.values())


def test_a_gap_in_the_trace_makes_no_false_reset():
    talk = Talk(limit=10)
    for _ in range(20):
        talk.client.sendall(b"x")
    talk.receive(talk.conn, 20)
    talk.trace.events()
    talk.conn.close()
    assert [fin["label"] for fin in talk.drawn().of_kind("fin")] == ["FIN"]
    talk.close()


def add_new(scene, trace, seen):
    """Leva à cena os eventos depois do número `seen`, como um diagrama; devolve o do último."""
    new = trace.events(after=seen)
    scene.add(new)
    return max(event.number for event in new)


def test_a_long_class_keeps_the_memory_bounded():
    scene, trace, seen = Scene(), Trace(), 0
    with trace, socket.create_server((HERE, 0)) as listener:
        for _ in range(300):
            client = socket.SocketType(socket.AF_INET, socket.SOCK_STREAM)
            client.connect(listener.getsockname())  # sem rastro: outra máquina
            with listener.accept()[0] as conn:
                conn.sendall(b"oi")
            client.close()
            seen = add_new(scene, trace, seen)
    assert len(scene._flows) == len(scene._of_socket) - 1 == 0


def test_a_long_visit_of_another_machine_keeps_the_memory_bounded():
    scene, trace, seen = Scene(), Trace(50), 0
    with trace, socket.create_server((HERE, 0)) as listener:
        client = socket.SocketType(socket.AF_INET, socket.SOCK_STREAM)
        client.connect(listener.getsockname())  # sem rastro: outra máquina
        with closing(client), listener.accept()[0] as conn:
            tracemalloc.start()
            for _ in range(500):
                client.sendall(bytes(4096))
                conn.recv(4096)
                seen = add_new(scene, trace, seen)
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert held < 500_000  # bytes; as 500 mensagens são 2 milhões


def test_a_server_that_was_already_on_is_traced_from_its_next_client():
    with (
        EchoServer(port=0) as server,
        Trace() as trace,
        socket.create_connection(server.address, timeout=TIMEOUT) as client,
    ):
        client.sendall(b"oi")
        client.recv(9)
    arrows = Drawing(trace.events()).of_kind("data")
    assert len(arrows) == 2 and all(a["from"] and a["to"] for a in arrows)


def test_waiting_again_and_again_is_one_row(talk):
    talk.conn.settimeout(0.001)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            talk.conn.recv(9)
    talk.client.sendall(b"oi")
    rows = list(talk.drawn().rows.values())
    assert [row["result"] for row in rows if row["kind"] == "timeout"] == [
        "TimeoutError: o prazo acabou, 5 vezes"
    ]
    assert rows[-1]["call"] == "sendall(b'oi')"
    assert "5 vezes" in still.svg(talk.trace.events())


def test_a_client_in_the_backlog_waits_for_accept():
    with Trace() as trace, socket.create_server((HERE, 0)) as listener:
        socket.create_connection(listener.getsockname(), timeout=TIMEOUT).close()
    lines = Drawing(trace.events()).lines.values()
    assert [line["note"] for line in lines if line["ghost"]] == ["na fila, sem accept"]


def test_what_could_not_be_sent_is_written_as_it_was_given(talk):
    for data in ("olá", "não " * 20, 5):
        with pytest.raises(TypeError):
            talk.client.sendall(data)
    talk.client.close()
    with pytest.raises(OSError, match=r"Bad file|not a socket"):
        talk.client.send(b"tarde" * 9)
    calls = [row["call"] for row in talk.drawn().rows.values() if row["kind"] == "error"]
    assert calls == [
        "sendall('olá')",
        "sendall('não não não não não não '…)",
        "sendall(5)",
        "send(b'tardetardetardetardetard'…)",
    ]


def test_events_lost_unread_leave_no_false_arrow():
    talk = Talk(limit=3)
    talk.client.sendall(b"um")
    talk.conn.recv(1024)
    talk.client.sendall(b"dois")
    arrows = talk.drawn().of_kind("data")
    assert arrows and all(not (a["from"] and a["to"]) for a in arrows)
    talk.close()


def test_long_data_shows_its_beginning_and_its_end(talk):
    data = bytes(range(256)) * 4
    talk.client.sendall(data)
    row = max(talk.drawn().rows.values(), key=lambda row: row["size"])
    first, last = row["bytes"]
    assert bytes.fromhex(first["hex"]) == data[:SHOWN_BYTES]
    assert (last["at"], bytes.fromhex(last["hex"])) == (1024 - TAIL_BYTES, data[-TAIL_BYTES:])


HOSTILE = ["<img src=x onerror=alert(1)>", "</script>", "\u202eabc", "\x1b[31m", "&amp;\x00"]


@pytest.mark.parametrize("text", HOSTILE)
def test_still_is_valid_svg_with_hostile_text_as_text(talk, text):
    talk.client.sendall(text.encode())
    talk.receive(talk.conn, len(text.encode()))
    root = ElementTree.fromstring(still.svg(talk.trace.events()))
    tags = {element.tag.split("}")[1] for element in root.iter()}
    assert tags <= {"svg", "title", "style", "rect", "path", "circle", "text"}
    words = "".join(root.itertext())
    assert "sendall" in words and not any(c in words for c in "\u202e\x1b\x00")


def test_still_of_two_connections_fits_a_cell_of_a_common_screen():
    """Numa tela de 1366 pixels, a saída de uma célula do JupyterLab tem 926."""
    with Trace() as trace, socket.create_server((HERE, 0)) as listener, ExitStack() as stack:
        for _ in range(2):
            client = socket.create_connection(listener.getsockname(), timeout=TIMEOUT)
            stack.enter_context(client).sendall("ação ".encode() * 600)
            stack.enter_context(listener.accept()[0])
    root = ElementTree.fromstring(still.svg(trace.events()))
    heads = [float(e.get("x")) for e in root.iter() if e.get("class") == "name"]
    assert len(heads) == 5 and float(root.get("width")) <= 926
    assert all(b - a > 7 * len("127.0.0.1:65535") for a, b in pairwise(heads))


def test_still_says_how_many_calls_it_leaves_out(talk):
    for _ in range(still.ROWS):
        talk.client.sendall(b"x")
    words = "".join(ElementTree.fromstring(still.svg(talk.trace.events(), skipped=3)).itertext())
    assert "… e mais 3 chamadas antes destas" in words
    left = len(talk.trace.events()) - still.ROWS
    assert f"… e mais {left} chamadas depois destas" in words


ARROW = re.compile(r"M([\d.]+) [\d.]+L([\d.]+) [\d.]+$")


@pytest.mark.skipif(sys.platform != "linux", reason="nos outros, a fila cheia se porta diferente")
def test_still_of_a_connection_without_answer_does_not_reach_the_other_side():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as stack:
        address = listener.getsockname()
        for _ in range(2):  # enche a fila da escuta: o Linux descarta o próximo SYN
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(address)
        with Trace() as trace, socket.socket() as client, pytest.raises(TimeoutError):
            client.settimeout(0.1)
            client.connect(address)
    root = ElementTree.fromstring(still.svg(trace.events()))
    paths = [element.get("d") for element in root.iter() if element.tag.endswith("path")]
    lives = [float(path[1:].split(" ")[0]) for path in paths if "V" in path]
    [(start, end)] = [points for path in paths for points in ARROW.findall(path)]
    assert sorted(lives) == sorted([float(start), 2 * float(end) - float(start)])
    assert "SYN… sem resposta ✗" in "".join(root.itertext())


def test_still_of_nothing_is_valid():
    ElementTree.fromstring(still.svg([]))


def test_recv_of_no_bytes_is_not_the_end_with_flags_either():
    talk = Talk()
    with closing(talk):
        assert talk.conn.recv(0) == talk.conn.recv(0, socket.MSG_PEEK) == b""
        results = [row["result"] for row in talk.drawn().rows.values() if "recv" in row["call"]]
    assert len(results) == 2 and not any("fim" in result for result in results)
