"""ServerPanel sem navegador: o que mostra do servidor, o que os botões fazem, e nada que fique."""

import socket
from contextlib import ExitStack
from time import perf_counter

import pytest

from echo_lib import EchoClient, EchoServer, ServerPanel
from tests.common import HERE, TIMEOUT, receive
from tests.conftest import Watched, join_threads


class Page(Watched):
    """A página do painel de um servidor."""

    def __init__(self, server):
        super().__init__(ServerPanel(server))

    def wait_state(self, state):
        self.wait(lambda panel: panel.state == state)

    def log(self):
        return [what for _, _, _, what in self.panel.entries]


@pytest.fixture
def server():
    server = EchoServer(port=0)
    yield server
    server.stop()


@pytest.fixture
def watched(server):
    watched = Page(server)
    yield watched
    watched.panel.close()


def test_panel_follows_the_life_of_a_server(watched, server):
    panel = watched.panel
    assert (panel.state, panel.address, panel.clients, panel.entries) == (
        "parado",
        f"{HERE}:0",
        [],
        [],
    )
    server.start()
    watched.wait_state("escutando")
    assert panel.address == "{}:{}".format(*server.address)
    with EchoClient(*server.address) as one:
        watched.wait_state("atendendo 1 cliente")
        one.send("olá")
        one.send("oi")
        watched.wait(lambda panel: panel.clients[0][3:] == [2, 6])
        with EchoClient(*server.address):
            watched.wait_state("atendendo 2 clientes")
            assert [row[0] for row in panel.clients] == [HERE, HERE]
        watched.wait_state("atendendo 1 cliente")
    watched.wait_state("escutando")
    server.stop()
    watched.wait_state("parado")
    bye = "saiu: fechou a conexão"
    assert watched.log() == ["começou a escutar", "entrou", "entrou", bye, bye, "parou de escutar"]
    assert panel.clients == [] and panel.notice == []


def test_row_of_a_client_agrees_with_the_log_about_who_and_when(watched, server):
    with server, EchoClient(*server.address):
        watched.wait_state("atendendo 1 cliente")
        (host, port, since, _, _), joined = watched.panel.clients[0], watched.panel.entries[-1]
        assert (joined[2], joined[3]) == (f"{host}:{port}", "entrou")
        assert abs(since - joined[1]) < 1
        watched.panel._clock -= 3600  # a máquina dormiu: monotonic() não contou a hora
        server.disconnect((HERE, 1))
        with EchoClient(*server.address):
            watched.wait_state("atendendo 2 clientes")
            assert watched.panel.clients[0][2] == since


def test_buttons_start_disconnect_one_and_stop(watched, server):
    watched.click("start")
    watched.wait_state("escutando")
    assert watched.panel.notice == [
        "O servidor começou a escutar em {}:{}.".format(*server.address)
    ]
    watched.click("start")  # dois cliques não atrapalham
    with EchoClient(*server.address) as one, EchoClient(*server.address) as two:
        watched.wait_state("atendendo 2 clientes")
        host, port = one._sock.getsockname()
        watched.click("disconnect", host=host, port=port)
        watched.wait_state("atendendo 1 cliente")
        assert receive(one._sock) == b"" and two.send("sigo aqui") == "sigo aqui"
        assert watched.panel.notice == [f"Desconectado: {host}:{port}."]
        gone = "saiu: desconectado por este servidor"
        watched.wait(lambda panel: panel.entries[-1][3] == gone)
        watched.click("disconnect", host=host, port=port)  # já saiu: nada acontece
        assert two.send("e sigo") == "e sigo"
        watched.click("stop")
        watched.wait_state("parado")
    assert watched.panel.notice == ["O servidor parou."]
    assert watched.log()[-1] == "parou de escutar e desconectou 1 cliente"
    server.start()
    watched.wait(lambda panel: panel.state == "escutando" and panel.notice == [])


def test_start_that_fails_is_explained_and_can_be_tried_again(watched, server):
    with socket.create_server((HERE, 0)) as taken:
        port = taken.getsockname()[1]
        server._port = port
        watched.click("start")
        watched.wait(lambda panel: panel.notice)
        notice = watched.panel.notice
        assert notice[0] == "Não deu certo."
        assert notice[1].startswith(f"O que aconteceu: o endereço ({HERE}:{port}) já está em uso")
        assert notice[3].startswith("O que fazer: ") and "port=0" in notice[-1]
        assert watched.panel.state == "parado"
    watched.click("start")
    watched.wait_state("escutando")
    assert watched.panel.notice == [f"O servidor começou a escutar em {HERE}:{port}."]


def test_unexpected_error_is_shown_and_the_panel_goes_on(watched, monkeypatch):
    def stop(self):
        raise TimeoutError("esperava o fim do servidor em 5.0 s, e ele ainda não parou.")

    with monkeypatch.context() as patch:
        patch.setattr(EchoServer, "stop", stop)
        watched.click("stop")
        watched.wait(lambda panel: panel.notice)
    text = "esperava o fim do servidor em 5.0 s, e ele ainda não parou."
    assert watched.panel.notice == ["Não deu certo.", text]
    watched.click("start")
    watched.wait_state("escutando")


@pytest.mark.parametrize(
    "content",
    [{"command": "disconnect", "host": 5, "port": "x"}, {"command": "x"}, {}, None, [], "start"],
)
def test_message_that_makes_no_sense_is_ignored(watched, server, content):
    watched.panel._handle_custom_msg(content, [])
    watched.click("disconnect", host="", port=-1)  # endereço impossível: um aviso, e só
    watched.wait(lambda panel: panel.notice)
    assert watched.panel.notice[1].startswith("esperava o nome ou o endereço de uma máquina")
    assert watched.panel.state == "parado"


@pytest.mark.parametrize("value", [None, 61840, "127.0.0.1", EchoServer, EchoClient()])
def test_something_else_in_place_of_the_server_is_refused(value):
    with pytest.raises(
        TypeError, match=r"esperava um EchoServer; recebi .*ServerPanel\(servidor\)"
    ):
        ServerPanel(value)
    with pytest.raises(TypeError):
        ServerPanel()
    join_threads("ServerPanel")


def test_crowd_and_a_long_log_are_shown_in_part(server):
    with server.start(), ExitStack() as crowd:
        for _ in range(105):
            crowd.enter_context(socket.create_connection(server.address, TIMEOUT)).sendall(b"a")
        newest = crowd.enter_context(EchoClient(*server.address))
        newest.send("última")
        for _ in range(200):
            socket.create_connection(server.address, TIMEOUT).close()
        watched = Page(server)
        watched.wait(lambda panel: panel.entries[-1][0] == 1 + 106 + 400)
        panel = watched.panel
        assert panel.state == "atendendo 106 clientes"
        assert len(panel.clients) == 100 and panel.hidden_clients == 6
        assert tuple(panel.clients[-1][:2]) == newest._sock.getsockname()
        assert len(panel.entries) == 200
        panel.close()
        newest.close()


class Comm:
    """Faz o papel da conexão com a página: guarda o que o painel lhe envia, e quando."""

    kernel = comm_id = "teste"

    def __init__(self):
        self.sent = []

    def on_msg(self, callback):
        pass

    def send(self, data, buffers=None):
        self.sent.append((perf_counter(), set(data["state"])))

    def close(self):
        self.sent.append("fim")


def test_only_what_changed_is_sent_at_most_20_times_a_second(server):
    watched = Page(server.start())
    panel, page = watched.panel, Comm()
    with EchoClient(*server.address) as client:
        watched.wait(lambda panel: panel.entries[-1][3] == "entrou" and panel.clients)
        with panel._turn:  # a atualização em que isso apareceu já acabou
            panel.comm = page
        for _ in range(5000):
            client.send("a")
        watched.wait(lambda panel: panel.clients[0][3] == 5000)
        panel._refresh()
        times = [time for time, _ in page.sent]
        assert [changed for _, changed in page.sent] == [{"clients"}] * len(times)
        assert len(times) <= (times[-1] - times[0]) * 20 + 2
        panel._refresh()  # nada mudou
        assert len(page.sent) == len(times)
    panel.close()
    join_threads("ServerPanel")
    assert page.sent[-1] == "fim"  # depois dele, mais nada


def test_close_ends_the_panel_and_not_the_server(watched, server):
    server.start()
    watched.wait_state("escutando")
    watched.panel.close()
    watched.panel.close()
    watched.click("stop")
    join_threads("ServerPanel")
    assert server.running


def test_many_panels_closed_amid_traffic_leave_nothing(server):
    with server.start(), EchoClient(*server.address) as client:
        panels = [ServerPanel(server) for _ in range(20)]
        for panel in panels:
            client.send("olá")
            panel._handle_custom_msg({"command": "start"}, [])
            panel.close()
        join_threads("ServerPanel")
        assert server.running and client.send("olá") == "olá"


def test_running_the_cell_again_twenty_times_leaves_one_panel_and_the_server(kernel):
    kernel.run("import threading; from echo_lib import EchoServer, ServerPanel")
    kernel.run("server = EchoServer(port=0).start(); panels = []", "servidor")
    for _ in range(20):
        assert "escutando" in kernel.run(
            "panels.append(ServerPanel(server)); print(panels[-1])", "p"
        )
    count = (
        "threads = [t for t in threading.enumerate() if t.name == 'ServerPanel']\n"
        f"for t in threads[:-1]: t.join({TIMEOUT})\n"
        "print(len([t for t in threads if t.is_alive()]), server.running,"
        " [p.comm is None for p in panels].count(True))"
    )
    assert kernel.run(count) == "1 True 19\n"
    assert kernel.run("panels[-1].close(); server.stop(); print(server.running)") == "False\n"


def test_server_started_by_the_button_belongs_to_the_cell_that_created_it(kernel):
    kernel.run("import threading; from echo_lib import EchoServer, ServerPanel")
    kernel.run("server = EchoServer(port=0); older = server", "servidor")
    kernel.run(
        "panel = ServerPanel(server); started = threading.Event()\n"
        "panel.observe(lambda change: started.set(), 'state')\n"
        "panel._handle_custom_msg({'command': 'start'}, [])\n",
        "painel",
    )
    wait = f"print(started.wait({TIMEOUT}), older.running)"
    assert kernel.run(wait, "outra") == kernel.run(wait, "outra") == "True True\n"
    kernel.run("panel = ServerPanel(server)", "painel")
    assert kernel.run("print(older.running)") == "True\n"
    kernel.run("server = EchoServer(port=0)", "servidor")
    assert kernel.run("print(older.running); panel.close()") == "False\n"


def test_still_is_what_a_reader_without_a_kernel_sees():
    server = EchoServer("<b>&", 61840)
    panel = ServerPanel(server)
    data, _ = panel._repr_mimebundle_()
    assert data["text/plain"] == "ServerPanel(<EchoServer parado, <b>&:61840>)"
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/html"] == (
        "<p><strong>Servidor de eco</strong>: ○ parado, &lt;b&gt;&amp;:61840</p>"
    )
    panel.close()
    with EchoServer(port=0) as server:
        panel = ServerPanel(server)
        port = server.address[1]
        assert f"◐ escutando, {HERE}:{port}</p>" in panel._repr_mimebundle_()[0]["text/html"]
        assert repr(panel) == f"ServerPanel(<EchoServer escutando em {HERE}:{port}>)"
        panel.close()
