"""SequenceDiagram sem navegador: o que manda à página, em que partes, e nada que fique."""

import queue
import socket
import threading

import pytest

from echo_lib import SequenceDiagram, Trace
from echo_lib.panels import sequence
from tests.common import HERE, TIMEOUT


class Page:
    """Faz o papel da página: abre um diagrama e recebe o que ele manda."""

    def __init__(self, trace):
        self.diagram = SequenceDiagram(trace)
        self.received = queue.SimpleQueue()
        self.diagram.send = self.received.put

    def ask(self, **content):
        self.diagram._handle_custom_msg(content, [])

    def open(self):
        """O pedido que a página faz ao nascer, e a resposta."""
        self.ask(command="hello")
        return self.received.get(timeout=TIMEOUT)

    def rows(self, count):
        """As primeiras `count` linhas que chegarem, e em quantas mensagens."""
        rows, messages = [], 0
        while len(rows) < count:
            rows += self.received.get(timeout=TIMEOUT)["rows"]
            messages += 1
        return rows, messages


def call(trace, times=1):
    """Duas chamadas por vez: bind e close."""
    with trace:
        for _ in range(times):
            with socket.socket() as sock:
                sock.bind((HERE, 0))


@pytest.fixture
def trace():
    return Trace()


@pytest.fixture
def page(trace):
    page = Page(trace)
    yield page
    page.diagram.close()
    page.diagram._pump.join(TIMEOUT)
    assert not page.diagram._pump.is_alive()


def test_page_gets_what_already_happened_and_then_only_what_is_new(page, trace):
    call(trace)
    assert page.open() == {"limit": trace.limit}
    assert [row["id"] for row in page.rows(2)[0]] == [1, 2]
    call(trace)
    assert [row["id"] for row in page.rows(2)[0]] == [3, 4]
    assert page.open() == {"limit": trace.limit}  # a página recarregada recebe tudo outra vez
    assert [row["id"] for row in page.rows(4)[0]] == [1, 2, 3, 4]


def test_a_burst_comes_in_parts_with_every_call_once(page, trace):
    call(trace, times=sequence.BATCH)
    page.open()
    rows, messages = page.rows(2 * sequence.BATCH)
    assert [row["id"] for row in rows] == list(range(1, 2 * sequence.BATCH + 1))
    assert messages >= 2


def test_before_the_page_is_heard_the_beginning_is_in_the_state(page, trace):
    seen = threading.Event()
    page.diagram.observe(lambda change: seen.set(), "early")
    call(trace, times=sequence.EARLY)
    assert seen.wait(TIMEOUT)
    assert 0 < len(page.diagram.early["rows"]) <= sequence.EARLY
    assert page.received.empty()


def test_calls_that_cannot_be_drawn_are_told_and_the_next_ones_are_drawn(page, trace):
    page.open()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page.diagram._scene, "add", lambda events: 1 / 0)
        call(trace)
        assert page.received.get(timeout=TIMEOUT) == {
            "failed": "ZeroDivisionError: division by zero"
        }
    call(trace)
    rows = page.rows(1)[0]
    assert rows[-1]["id"] > 2


def test_export_is_the_newest_calls_of_the_chosen_connection(page, trace):
    call(trace, times=sequence.EXPORTED)
    page.ask(command="export", connection=None)
    answer = page.received.get(timeout=TIMEOUT)["svg"]
    assert f"… e mais {sequence.EXPORTED} chamadas antes destas" in answer
    page.ask(command="export", connection="1")  # um pedido sem sentido não é nada
    assert page.received.empty()


@pytest.mark.parametrize("value", [None, [], "rastro", Trace])
def test_something_else_in_place_of_the_trace_is_refused(value):
    with pytest.raises(
        TypeError, match=r"esperava um Trace ou uma captura; recebi .*capture\.read"
    ):
        SequenceDiagram(value)


def test_peer_may_have_its_port_as_text_and_what_is_no_peer_is_refused(trace):
    call(trace)
    (address,) = {event.local for event in trace.events()}
    for peer in (address, (address[0], str(address[1])), address[0]):
        diagram = SequenceDiagram(trace, peer)
        assert diagram._peer in (address, address[0])
        diagram.close()
        diagram._pump.join(TIMEOUT)
    for wrong in (f"{HERE}:61840", (HERE, "sessenta"), (HERE,), (HERE, 5, 9)):
        with pytest.raises(ValueError, match=r"esperava .*; recebi"):
            SequenceDiagram(trace, wrong)


def test_twenty_diagrams_leave_no_thread(trace):
    before = threading.active_count()
    diagrams = [SequenceDiagram(trace) for _ in range(20)]
    for diagram in diagrams:
        diagram.close()
        diagram.close()
    for diagram in diagrams:
        diagram._pump.join(TIMEOUT)
    assert threading.active_count() == before
