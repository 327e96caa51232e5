"""servidor.py e cliente.py, os dois programas do tutorial, cada um no seu terminal."""

import os
import socket
import sys
from contextlib import suppress

import pytest

from echo_lib import program
from tests.common import HERE, ROOT, TIMEOUT, receive, reset
from tests.conftest import finish, leave, quiet_port

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="precisa de pseudoterminais"),
    # O pexpect usa forkpty, e há threads de outros testes: o Python ≥ 3.12 avisa.
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]


class Desk:
    """servidor.py no seu terminal, e um terminal para cada cliente.py."""

    def __init__(self, terminal):
        self.terminal = terminal
        self.address = HERE, quiet_port()
        self.name = f"{HERE}:{self.address[1]}"
        self.server = self.run("servidor", *self.address)
        self.server.expect_exact(f"Servidor em {self.name}. Ctrl+C encerra.")

    def run(self, name, *arguments):
        return self.terminal(ROOT / "notebooks" / f"{name}.py", *arguments)

    def join(self):
        client = self.run("cliente", *self.address)
        client.expect_exact(f"Conectado a {self.name}. Digite sair para encerrar.")
        client.expect_exact("Mensagem: ")
        return client

    def stop(self):
        self.server.sendintr()
        assert finish(self.server, "Servidor encerrado.") == 0


@pytest.fixture
def desk(terminal):
    return Desk(terminal)


def test_tutorial_from_beginning_to_end(desk):
    client = desk.join()
    desk.server.expect(r"127\.0\.0\.1:\d+ conectou\.")
    for mensagem in ("oi", "olá, ção 🗣️", " espaços ", "x" * 3000):
        client.sendline(mensagem)
        client.expect_exact(f"Eco: {mensagem}\r\n")
        desk.server.expect_exact(f" enviou {mensagem.encode()[:1024]!r}")
        client.expect_exact("Mensagem: ")
    client.sendline("")
    client.expect_exact("Mensagem: ")
    client.sendline("sair")
    assert finish(client, "Conexão encerrada.") == 0
    desk.server.expect(r"127\.0\.0\.1:\d+ saiu\. Esperando o próximo cliente\.")
    desk.stop()


def test_with_port_zero_the_server_tells_the_one_the_system_gave(terminal):
    server = terminal(ROOT / "notebooks" / "servidor.py", HERE, 0)
    server.expect(r"Servidor em 127\.0\.0\.1:([1-9]\d*)\. Ctrl\+C encerra\.")
    socket.create_connection((HERE, int(server.match[1])), TIMEOUT).close()


def test_next_client_is_served_when_the_first_leaves(desk):
    first, second = desk.join(), desk.join()  # o segundo já está na fila do sistema
    second.sendline("esperei")
    for client, echo in [(first, "primeiro"), (second, "esperei")]:
        if client is first:
            first.sendline(echo)
        client.expect_exact(f"Eco: {echo}")
        client.sendline("sair")
        assert finish(client, "Conexão encerrada.") == 0


def test_client_that_drops_does_not_stop_the_server(desk):
    for _ in range(3):
        client = socket.create_connection(desk.address, TIMEOUT)
        client.sendall(b"\x1b[2J")
        assert receive(client, 4) == b"\x1b[2J"
        reset(client)
        desk.server.expect(r"enviou b'\\x1b\[2J'\r\n127\.0\.0\.1:\d+ caiu: ")
    client = desk.join()
    client.sendline("ainda aí?")
    client.expect_exact("Eco: ainda aí?")
    desk.stop()


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        ([b"\xc3", b"\xa7\xc3", b"\xa3o"], "Eco: ção"),  # cortado no meio dos acentos
        ([b"\x1b[2Jx"], "falhou: o que voltou não é um eco"),
        ([b"\xff\xff\xff\xff\xff"], "falhou: o que voltou não é um eco"),
        ([b"\xc3"], "falhou: o servidor fechou a conexão"),
    ],
)
def test_answer_in_pieces_is_put_together_and_only_an_echo_is_shown(terminal, pieces, shown):
    with socket.create_server((HERE, 0)) as listener:
        client = terminal(ROOT / "notebooks" / "cliente.py", *listener.getsockname())
        with listener.accept()[0] as conn:
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.sendline("ção")
            conn.recv(1024)
            for piece in pieces:
                conn.sendall(piece)
        client.expect_exact(shown)
    client.sendline("sair")
    assert finish(client) == (0 if shown.startswith("Eco") else 1)


@pytest.mark.parametrize("key", ["sendintr", "sendeof"])
def test_client_ends_by_the_keyboard(desk, key):
    client = desk.join()
    assert leave(client, key, "Conexão encerrada.") == 0
    desk.server.expect_exact(" saiu. Esperando o próximo cliente.")


def test_ctrl_c_ends_the_server_in_the_middle_of_a_conversation(desk):
    client = desk.join()
    client.sendline("oi")
    client.expect_exact("Eco: oi")
    desk.stop()
    client.sendline("olá")
    assert finish(client, f"A conversa com {desk.name} falhou: ") == 1
    texts = f"Ninguém escuta em {desk.name}.", "O servidor já foi iniciado, e nessa máquina?"
    assert finish(desk.run("cliente", *desk.address), *texts) == 1
    again = desk.run("servidor", *desk.address)  # a mesma porta, logo em seguida
    again.expect_exact(f"Servidor em {desk.name}.")
    texts = (
        f"Não foi possível escutar em {desk.name}",
        "A porta tem dono ou é reservada? O host é desta máquina, e veio antes da porta?",
    )
    assert finish(desk.run("servidor", *desk.address), *texts) == 1


def test_bytes_that_are_not_text_are_not_blamed_on_the_port(desk):
    client = desk.join()
    client.setecho(False)
    os.write(client.child_fd, b"\xff\n")
    assert finish(client, f"A conversa com {desk.name} falhou: 'utf-8' codec can't") == 1
    assert "porta" not in client.logfile_read.getvalue()


@pytest.mark.parametrize(
    ("name", "host", "port", "text"),
    [
        (name, HERE, port, " a 65535; recebi")
        for name in ("servidor", "cliente")
        for port in ("abc", "70000", "-1")
    ]
    + [("servidor", host, "1", f"{host}:1") for host in ("eco.invalid", "eu..eu")]
    + [("cliente", host, "1", f"Não achei '{host}'. Confira;") for host in ("eco.invalid", "eu:1")]
    + [("cliente", "eu..eu", "1", "eu..eu")],
)
def test_bad_host_or_port_is_said(terminal, name, host, port, text):
    assert finish(terminal(ROOT / "notebooks" / f"{name}.py", host, port), text) == 1


def test_client_that_is_slow_to_read_gets_the_whole_echo(tmp_path):
    text = (ROOT / "notebooks" / "servidor.py").read_text(encoding="utf-8")
    hurried = tmp_path / "servidor.py"  # cem vezes menos paciente
    hurried.write_text(text.replace("ESPERA = 1.0", "ESPERA = 0.01"), encoding="utf-8")
    with program.serving(str(hurried)) as served:
        assert served.wait(TIMEOUT) == ""
        with socket.create_connection(served.address, 0.5) as client:
            sent = 0
            with suppress(TimeoutError):  # nada mais cabe em nenhum dos dois lados
                while True:
                    sent += client.send(b"x" * 65536)
            client.settimeout(TIMEOUT)
            client.shutdown(socket.SHUT_WR)
            assert len(receive(client)) == sent
