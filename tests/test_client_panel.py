"""ClientPanel sem navegador: o que a página pede, o que o painel mostra, e nada que espere."""

import socket
import threading
from time import perf_counter

import pytest

from echo_lib import ClientPanel, EchoServer, Trace
from echo_lib.network import Announcement, discovery
from echo_lib.panels import client_panel
from tests.common import HERE, TIMEOUT
from tests.conftest import join_threads


class Page:
    """Faz o papel da página: manda os comandos dos botões e espera o painel ficar quieto."""

    def __init__(self, kind=ClientPanel, **options):
        self.panel = kind(**{"port": 1, "timeout": TIMEOUT} | options)

    def ask(self, command, **content):
        """Um clique: volta na hora."""
        self.panel._handle_custom_msg({"command": command, **content}, [])

    def do(self, command, **content):
        """Um clique e o aviso que resulta dele."""
        self.ask(command, **content)
        quiet = threading.Event()
        self.panel._work.put(quiet.set)  # a fila é uma só: chegou a vez deste, o resto está feito
        assert quiet.wait(TIMEOUT)
        return self.panel.notice

    def ask_aside(self, command, **content):
        """Um clique que pergunta à rede, e a espera pela resposta, que não ocupa a fila."""
        answered = threading.Event()
        self.panel.observe(lambda change: change.new or answered.set(), "asking")
        self.ask(command, **content)
        assert answered.wait(TIMEOUT)
        return self.panel.diagnosis

    def connect(self, address):
        return self.do("connect", host=address[0], port=str(address[1]))

    def send(self, text):
        return self.do("send", text=text)

    def calls(self):
        return [step["call"] for step in self.panel.history[-1]["steps"]]


@pytest.fixture
def page():
    page = Page()
    yield page
    page.panel.close()


def test_port_put_in_the_panel_may_be_text_and_what_is_no_port_is_refused(page):
    page.panel.port = "61841"
    with pytest.raises(ValueError, match=r"esperava uma porta, .*; recebi 'sessenta'"):
        page.panel.port = "sessenta"
    assert page.panel.port == 61841


def test_closed_panel_says_so(page):
    page.panel.close()
    for ask in (page.panel.connect, lambda: page.panel.send_message("oi")):
        with pytest.raises(ValueError, match="esperava um painel aberto, e este foi encerrado"):
            ask()


@pytest.fixture
def server():
    with EchoServer(port=0) as server:
        yield server


@pytest.fixture
def talking(page, server):
    assert page.connect(server.address) == "Conectado a {}:{}.".format(*server.address)
    return page


def test_conversation_shows_each_step_with_bytes_and_time(talking, server):
    panel = talking.panel
    assert (panel.host, panel.port, panel.state) == (*server.address, "conectado")
    (step,) = panel.history[0]["steps"]
    assert (step["call"], step["result"]) == (f"s.connect({server.address})", "feito")
    assert step["time"].endswith(" ms") and "," in step["time"]
    assert talking.send("olá") == "O eco voltou inteiro."
    assert [(step["call"], step["result"]) for step in panel.history[1]["steps"]] == [
        ("mensagem.encode()", "4 bytes: 6f 6c c3 a1"),
        ("s.sendall(mensagem.encode())", "4 bytes: 6f 6c c3 a1"),
        ("s.recv(1024)", "4 bytes: 6f 6c c3 a1"),
        ("dados.decode()", "olá (4 bytes: 6f 6c c3 a1)"),
    ]
    assert all(step["time"].endswith(" ms") for step in panel.history[1]["steps"])
    assert talking.send(" SAIR ") == "O eco voltou inteiro."  # como no cliente.py, é outra palavra
    assert talking.send("sair") == "Conversa encerrada."
    assert panel.state == "desconectado" and talking.calls() == ["s.close()"]
    assert [entry["title"] for entry in panel.history] == ["Conectar", "olá", " SAIR ", "sair"]


def test_connecting_or_disconnecting_twice_says_so(talking, server):
    assert talking.connect(server.address).startswith("Você já está conectado a 127.0.0.1:")
    assert talking.do("disconnect") == "Conversa encerrada."
    assert talking.do("disconnect") == "Você já está desconectado."
    assert talking.connect(server.address).startswith("Conectado a ")


def test_message_before_connecting_is_kept(page, server):
    notice = "Você ainda não está conectado. Clique em Conectar e envie de novo."
    assert page.send("olá") == notice and page.panel.unsent == "olá" and not page.panel.history
    page.connect(server.address)
    assert page.send("olá") == "O eco voltou inteiro." and page.panel.unsent == ""


def test_empty_message_is_explained(talking):
    assert talking.send("").startswith("Uma mensagem vazia não tem bytes")
    assert talking.panel.state == "conectado" and len(talking.panel.history) == 1


def test_message_of_spaces_is_seen(talking):
    talking.send("  ")
    entry = talking.panel.history[-1]
    assert entry["title"] == "“  ”" and entry["steps"][-1]["result"] == "“  ” (2 bytes: 20 20)"


def test_text_that_is_not_utf8_does_not_end_the_conversation(talking):
    assert talking.send("a\udcff") == "Este texto não pode virar bytes."
    assert talking.panel.state == "conectado" and talking.panel.history[-1]["title"] == "a\\udcff"
    assert talking.send("a") == "O eco voltou inteiro."


@pytest.mark.parametrize(
    ("host", "port", "notice"),
    [
        (HERE, "oitenta", "Esperava uma porta, número inteiro de 1 a 65535; recebi 'oitenta'"),
        (HERE, "0", "Esperava uma porta, número inteiro de 1 a 65535; recebi '0'"),
        ("127.0.0", "1", "Esperava um nome, ou quatro números de 0 a 255"),
        ("::1", "1", "Esperava um endereço IPv4"),
        (HERE, "", "Esperava uma porta"),
        ("", "1", "Esperava o nome ou o endereço de uma máquina"),
        ("http://eu", "1", "Esperava só o endereço, sem http://"),
        ("a\0b", "1", "Esperava só o endereço"),
        ("eu..eu", "1", "Este texto não pode virar bytes."),
        ("eco.invalid", "1", "O nome da máquina não foi {}"),
        (HERE, "1", "Conexão recusada: a máquina respondeu, mas nenhum programa escuta"),
    ],
)
def test_connect_that_fails_says_why_and_can_be_tried_again(
    page, server, host, port, notice, untranslated
):
    shown = page.do("connect", host=host, port=port)
    assert shown.startswith(notice.format(untranslated))
    assert page.panel.state == "desconectado"
    assert page.connect(server.address).startswith("Conectado a ")


def test_refusal_shows_how_far_it_went_and_the_explanation(page):
    page.connect((HERE, 1))
    (entry,) = page.panel.history
    assert entry["steps"][0]["call"] == f"s.connect({(HERE, 1)})"
    assert entry["steps"][0]["result"].startswith("ConnectionRefusedError: ")
    assert entry["error"][0].startswith("O que aconteceu: conexão recusada (127.0.0.1:1)")
    assert entry["error"][2].startswith("O que fazer: inicie o servidor")


@pytest.mark.parametrize(
    ("answer", "notice"),
    [
        (b"", "O servidor fechou a conexão depois de devolver 0 de 3 bytes."),
        (b"\x1b[2", "Esperava o eco b'abc', recebi b'\\x1b[2'."),
        (None, "O tempo acabou, e o eco não chegou."),
    ],
)
def test_conversation_lost_midway_says_why_keeps_the_text_and_can_connect_again(
    server, answer, notice
):
    page = Page(timeout=TIMEOUT if answer is not None else 0.1)
    with socket.create_server((HERE, 0)) as hostile:
        page.connect(hostile.getsockname())
        with hostile.accept()[0] as conn:
            page.ask("send", text="abc")  # volta antes da resposta, e mesmo sem ela
            assert conn.recv(1024) == b"abc"
            if answer is not None:
                conn.sendall(answer)
                conn.shutdown(socket.SHUT_WR)
            assert page.do("nada") == notice
    panel = page.panel
    panel._timeout = TIMEOUT  # o prazo curto era só para quem não responde
    assert (panel.state, panel.unsent) == ("desconectado", "abc")
    calls = ["mensagem.encode()", "s.sendall(mensagem.encode())", "s.recv(1024)", "s.close()"]
    assert page.calls() == calls
    assert page.connect(server.address).startswith("Conectado a ")
    assert page.send("abc") == "O eco voltou inteiro."
    panel.close()


def test_history_is_bounded_and_long_messages_are_shortened(talking):
    for number in range(110):
        talking.ask("send", text=str(number))
    talking.send("ç" * 20_000)
    history = talking.panel.history
    assert len(history) == 100 and history[-2]["title"] == "109"
    assert len(talking.calls()) == 13 and "mais" in talking.calls()[6]
    assert len(str(history[-1])) < 3000


def test_a_burst_of_messages_takes_few_updates_to_the_page_and_the_last_tells_all(server):
    updates = []

    class Heard(ClientPanel):
        def _send(self, message, buffers=None):
            updates.append((perf_counter(), message["state"]))

    page = Page(Heard, port=server.address[1])
    began = perf_counter()
    page.panel.connect()
    for number in range(300):
        page.panel.send_message(str(number))
    assert page.do("nada") == "O eco voltou inteiro."
    join_threads("ClientPanel, atualização")
    about_the_talk = [time for time, state in updates if "history" in state or "state" in state]
    assert len(about_the_talk) <= 2 + (about_the_talk[-1] - began) / 0.05
    told = {name: value for _, state in updates for name, value in state.items()}
    assert (told["state"], told["notice"]) == ("conectado", "O eco voltou inteiro.")
    assert [entry["title"] for entry in told["history"]] == [str(n) for n in range(200, 300)]
    page.panel.close()


def test_state_passes_through_what_is_happening(page, server):
    states = []
    page.panel.observe(lambda change: states.append(change.new), "state")
    page.connect(server.address)
    page.send("a")
    page.do("disconnect")
    assert states == ["conectando", "conectado", "enviando", "conectado", "desconectado"]


def test_python_can_do_what_the_page_does(server):
    trace = Trace()
    page = Page(port=server.address[1], trace=trace)
    page.panel.connect()
    page.panel.send_message("olá")
    page.panel.disconnect()
    assert page.do("nada") == "Conversa encerrada."
    assert [e.call for e in trace.events()] == ["connect", "sendall", "recv", "close"]
    assert repr(page.panel) == f"ClientPanel(host='127.0.0.1', port={server.address[1]})"
    page.panel.close()


@pytest.mark.parametrize(
    "content", [{"command": "connect", "host": 5, "port": 1}, {"command": "send"}, {}, None, []]
)
def test_message_that_makes_no_sense_is_ignored(talking, content):
    talking.panel._handle_custom_msg(content, [])
    assert talking.send("a") == "O eco voltou inteiro."


@pytest.mark.parametrize(
    "options", [{"port": -1}, {"host": ""}, {"timeout": 0}, {"timeout": "5"}, {"port": "x"}]
)
def test_bad_option_is_refused_at_once(options):
    with pytest.raises(ValueError, match=r"esperava .*; recebi "):
        ClientPanel(**options)


@pytest.mark.parametrize("waiting", [False, True])
def test_close_ends_the_connection_and_the_thread(page, waiting):
    with socket.create_server((HERE, 0)) as silent:
        page.connect(silent.getsockname())
        with silent.accept()[0] as conn:
            conn.settimeout(TIMEOUT)
            if waiting:
                page.ask("send", text="olá")
                assert conn.recv(1024)
            page.panel.close()
            page.panel.close()
            assert conn.recv(1024) == b""
    page.ask("send", text="depois do fim")
    join_threads("ClientPanel", "ClientPanel, atualização")


def test_many_panels_leave_no_thread(server):
    pages = [Page() for _ in range(50)]
    for page in pages:
        page.ask("connect", host=HERE, port=str(server.address[1]))
        page.ask("send", text="olá")
    for page in pages:
        assert page.do("nada") == "O eco voltou inteiro."
        page.panel.close()
    join_threads("ClientPanel", "ClientPanel, atualização")


def test_panel_survives_a_text_the_page_cannot_show(kernel, server):
    kernel.run("from echo_lib import ClientPanel; import threading")
    kernel.run(f"panel = ClientPanel(port={server.address[1]}); panel.connect()")
    kernel.run("panel.send_message('\\ud83d'); panel.send_message('olá')")
    kernel.run("done = threading.Event(); panel._work.put(done.set)")
    assert (
        kernel.run(f"print(done.wait({TIMEOUT}), panel.notice)") == "True O eco voltou inteiro.\n"
    )


def test_unexpected_error_is_shown_and_the_panel_goes_on(talking):
    with pytest.raises(TypeError, match=r"esperava um texto \(str\); recebi 5"):
        talking.panel.send_message(5)
    talking.panel._work.put(lambda: 1 / 0)
    talking.send("ainda de pé")
    assert "division by zero" in str(talking.panel.history[-2])
    assert talking.panel.history[-1]["title"] == "ainda de pé"


def test_panels_that_share_a_trace_show_only_their_own_steps(server):
    trace = Trace()
    pages = [Page(trace=trace), Page(trace=trace)]
    for page in pages:
        page.connect(server.address)
        page.send("oi")
        page.connect(server.address)
    assert [len(page.panel.history) for page in pages] == [2, 2]
    assert [entry["steps"][0]["call"][:9] for entry in pages[1].panel.history] == [
        "s.connect",
        "mensagem.",
    ]
    for page in pages:
        page.panel.close()


def test_disconnecting_does_not_wait_for_an_answer_that_does_not_come(page):
    with socket.create_server((HERE, 0)) as silent:
        page.connect(silent.getsockname())
        sending, quiet = threading.Event(), threading.Event()
        page.panel.observe(lambda change: change.new == "enviando" and sending.set(), "state")
        page.ask("send", text="oi")
        assert sending.wait(TIMEOUT)
        page.ask("disconnect")
        page.panel._work.put(quiet.set)
        assert quiet.wait(TIMEOUT / 2)  # bem antes do prazo do send
        assert page.panel.state == "desconectado"
        assert page.panel.notice == "Você encerrou a conversa antes de o eco voltar inteiro."
        assert "Desconectar" in page.panel.history[-1]["error"][1]


def test_diagnosis_says_what_prevents_the_conversation(page, server):
    host, port = server.address
    (happened, next_step) = page.ask_aside("diagnose", host=host, port=str(port))
    assert "um servidor de eco respondeu em" in happened and next_step.startswith("Próximo passo")
    lines = page.ask_aside("diagnose", host="0.0.0.0", port=str(port))
    assert "não é o endereço de uma máquina" in lines[0] and lines[2].startswith("  1. ")
    (sentence,) = page.ask_aside("diagnose", host="http://x", port=str(port))
    assert sentence.startswith("Esperava só o endereço, sem http://")
    assert page.panel.trace.events() == []  # a conversa desenhada é só a do aluno


def test_conversation_does_not_wait_for_a_diagnosis(talking):
    with socket.create_server((HERE, 0)) as silent:
        talking.ask("diagnose", host=HERE, port=str(silent.getsockname()[1]))
        with silent.accept()[0]:  # o diagnóstico espera por esta resposta
            assert talking.send("olá") == "O eco voltou inteiro."
            assert talking.panel.asking


@pytest.fixture
def own_network(monkeypatch):
    """A «rede» dos anúncios é só esta máquina."""
    monkeypatch.setattr(discovery, "network_addresses", lambda: [HERE])
    monkeypatch.setattr(client_panel, "lan_address", lambda: HERE)


def test_search_lists_the_servers_that_announce_themselves(page, server, own_network):
    announcement = Announcement(server.address[1], "Eco da <b>prof</b>", [HERE])
    try:
        said = page.ask_aside("search")
        assert said == ["Achei um servidor: escolha abaixo a que conectar."]
        assert page.panel.found == [["Eco da <b>prof</b>", *server.address]]
    finally:
        announcement.close()


def test_same_notice_twice_is_said_twice(page):
    told = []
    page.panel.observe(lambda change: told.append(page.panel.notice), "said")
    assert page.send("olá") == page.send("olá")
    assert told == [page.panel.notice] * 2


def test_search_that_finds_nobody_says_to_type_the_address(page, own_network):
    lines = page.ask_aside("search")
    assert page.panel.found == [] and "digite o endereço" in lines[1]


def test_search_without_a_network_says_to_connect_to_one(page, monkeypatch):
    monkeypatch.setattr(discovery, "network_addresses", list)
    monkeypatch.setattr(client_panel, "lan_address", lambda: None)
    lines = page.ask_aside("search")
    assert page.panel.found == [] and "ligue o Wi-Fi ou o cabo" in lines[1]
