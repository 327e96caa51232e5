"""python -m echo_lib servidor | cliente, como processos de verdade num pseudoterminal."""

import os
import socket
import subprocess
import sys

import pytest

from echo_lib.__main__ import _Report
from echo_lib.server import KEPT_BYTES, Client, Entry
from tests.common import HERE, ROOT, TIMEOUT, receive
from tests.conftest import finish, leave, new_network, quiet_port

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="precisa de pseudoterminais"),
    # O pexpect usa forkpty, e há threads de outros testes: o Python ≥ 3.12 avisa.
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]


class Session:
    """O servidor no seu terminal, e um terminal para cada cliente."""

    def __init__(self, terminal):
        self.terminal = terminal
        self.server = self.run("servidor", "--port", 0)
        self.server.expect(r"Escutando em 127\.0\.0\.1:(\d+)\. Ctrl\+C encerra\.")
        self.port = int(self.server.match[1])

    def run(self, *arguments):
        return self.terminal("-m", "echo_lib", *arguments)

    def join(self):
        client = self.run("cliente", HERE, self.port)
        client.expect_exact(f"Conectado a 127.0.0.1:{self.port}. Digite sair para encerrar.")
        client.expect_exact("Mensagem: ")
        return client

    def stop(self):
        self.server.sendintr()
        assert finish(self.server, "Encerrado.") == 0


@pytest.fixture
def session(terminal):
    return Session(terminal)


def test_conversation_from_beginning_to_end(session):
    client = session.join()
    session.server.expect(r"127\.0\.0\.1:\d+ conectou\.")
    client.sendline("olá, ção 🗣️")
    client.expect_exact("Eco: olá, ção 🗣️")
    session.server.expect_exact(" enviou 19 bytes: olá, ção 🗣️")
    client.sendline("")
    client.sendline(" sair")  # o que se digitou, sem tirar nada
    client.expect_exact("Eco:  sair")
    session.server.expect_exact(" enviou 5 bytes:  sair")
    client.sendline("a")
    client.expect_exact("Eco: a")
    session.server.expect_exact(" enviou 1 byte: a")
    client.sendline("sair")
    assert finish(client, "Conversa encerrada.") == 0
    session.server.expect(r"127\.0\.0\.1:\d+ saiu: fechou a conexão\.")
    session.stop()


@pytest.mark.parametrize(("key", "goodbye"), [("sendeof", "Conversa"), ("sendintr", "Encerrado")])
def test_client_leaves_by_the_keyboard(session, key, goodbye):
    client = session.join()
    assert leave(client, key, goodbye) == 0
    session.server.expect_exact(" saiu: fechou a conexão.")


def test_control_characters_reach_the_terminal_escaped(session):
    with socket.create_connection((HERE, session.port), TIMEOUT) as client:
        client.sendall(b"\x1b[2J\x07\xff\r\x9b\xe2\x80\xae")
        session.server.expect_exact(r" enviou 11 bytes: \x1b[2J\x07\xff\r\x9b\u202e")
        assert client.recv(1024)
        client.sendall(b"x" * 1024)
        session.server.expect_exact(" enviou 1024 bytes: " + "x" * 200 + "…\r\n")
    session.stop()


class Snapshots:
    """Um EchoServer de que só se veem os retratos dados."""

    address = (HERE, 61840)

    def __init__(self, *given):
        self.snapshot = iter(given).__next__


def said(host, port, text, messages=1):
    data = text.encode()
    return Client((host, port), 0.0, messages, len(data) * messages, data, data)


def test_who_floods_the_server_hides_no_other_machine(capsys):
    ana, host = said("10.0.0.2", 5, "olá"), "10.0.0.9"
    flood = [Entry(n, 0.0, (host, n), "entrou") for n in range(3, 3000)]
    log = [Entry(1, 0.0, ana.address, "entrou"), Entry(2, 0.0, (host, 0), "recusado"), *flood]
    _Report(Snapshots(([ana, *(said(host, n, "x") for n in range(3, 3000))], log))).show()
    shown = capsys.readouterr().out.splitlines()
    assert "10.0.0.2:5 conectou." in shown and "10.0.0.2:5 enviou 4 bytes: olá" in shown
    assert "10.0.0.9 recusado." in shown and len(shown) == 53
    assert shown[-1] == "… 5945 acontecimentos de 10.0.0.9 que não cabem na tela"


def test_exit_that_was_not_seen_does_not_count_in_who_takes_its_port(capsys):
    old, new = said(HERE, 5, "olá, gente"), said(HERE, 5, "oi")
    entered = Entry(9, 0.0, (HERE, 5), "entrou")
    report = _Report(Snapshots(([old], []), ([new], [entered]), ([], [entered])))
    for _ in range(3):
        report.show()
    assert capsys.readouterr().out.splitlines()[-1] == "127.0.0.1:5 enviou 2 bytes: oi"
    assert report._heard == {}


def test_letter_cut_where_the_server_stopped_keeping_is_not_shown(capsys):
    last = ("a" + "ç" * 150).encode()[:KEPT_BYTES]
    long = Client((HERE, 5), 0.0, 1, 301, last, last)
    _Report(Snapshots(([long], [Entry(1, 0.0, long.address, "entrou")]))).show()
    assert capsys.readouterr().out.endswith(f"127.0.0.1:5 enviou 301 bytes: a{'ç' * 99}…\n")


def test_many_messages_between_two_looks_are_one_line(session):
    with socket.create_connection((HERE, session.port), TIMEOUT) as client:
        for _ in range(1000):
            client.sendall(b"oi")
            assert receive(client, 2) == b"oi"
    session.server.expect(r" enviou \d+ bytes em \d+ recv; o último: oi\r\n")
    session.stop()


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])  # conforme o idioma do sistema
def test_half_a_letter_is_not_sent_and_the_conversation_goes_on(session, monkeypatch, errors):
    monkeypatch.setenv("PYTHONIOENCODING", f"utf-8:{errors}")
    client = session.join()
    client.setecho(False)
    os.write(client.child_fd, b"cora\xc3\n")  # o que um terminal deixa de um ç apagado
    client.expect_exact("Não entendi o que foi digitado. Nada foi enviado: escreva de novo.")
    client.sendline("coração")
    client.expect_exact("Eco: coração")
    client.sendline("sair")
    assert finish(client, "Conversa encerrada.") == 0


def test_answer_that_is_not_an_echo_is_explained_and_escaped(session):
    with socket.create_server((HERE, 0)) as hostile:
        client = session.run("cliente", *hostile.getsockname())
        with hostile.accept()[0] as conn:
            client.sendline("olá")
            conn.recv(1024)
            conn.sendall(b"\x1b]0;")
            assert finish(client, r"recebi b'\x1b]0;'", "não é um servidor de eco") == 1


def test_server_that_stops_is_explained_to_the_client(session):
    client = session.join()
    session.stop()
    client.sendline("olá")
    client.expect(["fechou a conexão", "foi cortada pelo outro lado"])
    assert finish(client, "conecte de novo") == 1
    texts = f"conexão recusada (127.0.0.1:{session.port})", "inicie o servidor"
    assert finish(session.run("cliente", HERE, session.port), *texts) == 1


def test_port_taken_names_the_process_and_a_way_out(session):
    second = session.run("servidor", "--port", session.port)
    second.expect_exact(f"o endereço (127.0.0.1:{session.port}) já está em uso")
    if sys.platform != "darwin":
        second.expect_exact(f"(PID {session.server.pid})")
    assert finish(second, "Porta livre mais próxima: ", "port=0") == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["servidor", "--port", "99999"], "esperava uma porta, número inteiro de 0 a 65535"),
        (["servidor", "--port", "abc"], "esperava uma porta, número inteiro de 0 a 65535"),
        (["servidor", "--host", "http://x"], "esperava só o endereço, sem http://"),
        (["servidor", "--host", "192.168.0.12"], "O 192.168.0.12 do tutorial"),
        (["cliente", HERE, "oitenta"], "recebi 'oitenta'"),
        (["cliente", "eu..eu"], "num nome de máquina, uma parte vazia"),
    ],
)
def test_bad_argument_is_explained(terminal, arguments, text):
    assert finish(terminal("-m", "echo_lib", *arguments), text) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["servidor", "--porta", "5"], "Não conheço '--porta 5'."),
        (["servidor", "0.0.0.0"], "Não conheço '0.0.0.0'."),
        (["server"], "Não conheço 'server'."),
        ([""], "Não conheço ''."),
        (["servidor", "--port"], "Falta o valor de --port."),
        ([], "Não entendi o comando."),
    ],
)
def test_command_that_does_not_exist_says_what_came_and_what_exists(terminal, arguments, text):
    assert finish(terminal("-m", "echo_lib", *arguments), text, "python -m echo_lib cliente") == 2


@pytest.mark.skipif(sys.platform != "linux", reason="usa espaços de rede do Linux")
def test_server_without_network_offers_this_machine(terminal):
    program, *alone = new_network()
    command = [*alone, sys.executable, "-m", "echo_lib", "servidor", "--host", "0.0.0.0"]
    server = terminal(*command, program=program)
    server.expect_exact(
        "Digite no cliente: 127.0.0.1 61840 (sem rede: só esta máquina alcança)\r\n"
    )


def test_python_without_the_packages_is_told_which_one_to_use():
    # Numa porta em que ninguém escuta: a 61840 pode ser, agora, de outro programa.
    place = [HERE, str(quiet_port())]
    command = [sys.executable, "-S", "-m", "echo_lib", "diagnostico", *place]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=TIMEOUT, cwd=ROOT)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Falta a este Python o pacote psutil: use o do kit, num terminal do JupyterLab "
        "(menu Arquivo → Novo → Terminal).\n"
    )
