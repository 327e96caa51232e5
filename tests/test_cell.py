"""close_on_rerun: rodar de novo uma célula, num kernel de verdade, não deixa nada para trás."""

import pytest

from echo_lib.cell import close_on_rerun

START = "EchoServer(port=0).start();"
COUNT = "print(sum(t.name == 'EchoServer' for t in threading.enumerate()))"


@pytest.fixture
def running(kernel):
    """Um kernel sem nenhum servidor."""
    kernel.run("import threading, echo_lib.server; from echo_lib import ClientPanel, EchoServer")
    kernel.run("for server in echo_lib.server._running.copy(): server.stop()")
    assert kernel.run(COUNT) == "0\n"
    return kernel


def test_running_a_cell_again_leaves_one_server(running):
    for _ in range(3):
        assert running.run(START, "célula") == ""
        assert running.run(COUNT, "outra") == "1\n"


def test_cell_that_changed_or_failed_still_closes_what_it_had_opened(running):
    running.run(START * 2, "a")
    assert running.run(COUNT) == "2\n"
    assert "ZeroDivisionError" in running.run(START + "1 / 0", "a")
    assert running.run(COUNT) == "1\n"


def test_servers_of_different_cells_or_of_one_execution_live_together(running):
    running.run(START * 2, "a")
    running.run(START, "b")
    assert running.run(COUNT) == "3\n"


def test_without_the_name_of_the_cell_nothing_is_closed(running):
    running.run(START)
    running.run(START)
    assert running.run(COUNT) == "2\n"


def test_same_address_is_replaced_even_from_another_cell(running):
    running.run("server = EchoServer(port=0).start()", "a")
    running.run("other = EchoServer(port=server.address[1]).start()", "b")
    assert running.run("print(server.running, other.running)") == "False True\n"


def test_panel_of_the_previous_execution_is_closed(running):
    running.run("panel = ClientPanel()", "p")
    running.run("older, panel = panel, ClientPanel()", "p")
    assert running.run("print(older.comm is None, panel.comm is None)") == "True False\n"
    running.run(
        "import threading; alive = [t for t in threading.enumerate() if 'Client' in t.name]"
    )
    running.run("for thread in alive[:-1]: thread.join(20)")
    assert running.run("print([thread.is_alive() for thread in alive])").count("True") == 1


def test_outside_a_notebook_it_does_nothing():
    close_on_rerun(pytest.fail)
    close_on_rerun(pytest.fail)


def test_cell_that_starts_a_stopped_server_again_leaves_it_running(running):
    running.run("server = EchoServer(port=0)")
    running.run("server.start();", "a")
    running.run("server.stop()")
    running.run("server.start();", "a")
    assert running.run("print(server.running)") == "True\n"


# O botão de parar chega enquanto a célula espera que uma thread comece, ou acabe.
STOPPED = """
def stopped_in(method, name):
    usual = getattr(threading.Thread, method)
    def interrupted(self, *given):
        usual(self, *given)
        if self.name == name:
            setattr(threading.Thread, method, usual)
            raise KeyboardInterrupt
    setattr(threading.Thread, method, interrupted)
"""


def test_cell_stopped_while_a_server_starts_leaves_nothing_and_runs_again(running):
    running.run(STOPPED)
    running.run("stopped_in('start', 'EchoServer')")
    assert "KeyboardInterrupt" in running.run("server = EchoServer(port=0).start()", "parada")
    running.run("for t in threading.enumerate(): t.name == 'EchoServer' and t.join(5)")
    assert running.run(COUNT) == "0\n"
    assert running.run("server = EchoServer(port=0).start()", "parada") == ""
    assert running.run(COUNT) == "1\n"


def test_what_a_stopped_cell_did_not_close_is_closed_the_next_time(running):
    running.run(STOPPED)
    running.run(START * 2, "dois")
    running.run("stopped_in('join', 'EchoServer')")
    assert "KeyboardInterrupt" in running.run(START * 2, "dois")
    assert running.run(START * 2, "dois") == ""
    assert running.run(COUNT) == "2\n"


def test_diagram_whose_cell_was_stopped_ends_when_it_runs_again(running):
    running.run(STOPPED + "from echo_lib import SequenceDiagram, Trace")
    running.run("before = set(threading.enumerate()); stopped_in('start', 'SequenceDiagram')")
    assert "KeyboardInterrupt" in running.run("SequenceDiagram(Trace());", "desenho")
    running.run("(left,) = (t for t in set(threading.enumerate()) - before if 'Seq' in t.name)")
    assert running.run("SequenceDiagram(Trace());", "desenho") == ""
    assert running.run("left.join(5); print(left.is_alive())") == "False\n"


def test_announcement_of_the_previous_execution_is_withdrawn(running):
    code = "anuncio = Announcement(61900, 'Eco', []);"
    running.run("from echo_lib.network import Announcement")
    for _ in range(3):
        assert running.run(code, "anúncio") == ""
    assert running.run("print(sum(t.name == 'Announcement' for t in threading.enumerate()))") == (
        "1\n"
    )
    running.run("anuncio.close()")
