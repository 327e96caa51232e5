"""O diagnóstico de um endereço, no que esta máquina sozinha mostra; tests/lan mostra o resto."""

import re
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from echo_lib import EchoServer
from echo_lib.network import diagnose
from tests.common import HERE, ROOT, TIMEOUT, reset

TITLE = "Causas prováveis, da mais comum para a menos:"


def check_text(text, happened, causes, step):
    """O texto diz o que houve, as causas numeradas, na ordem, e o próximo passo."""
    first, *middle, last = text.strip().split("\n")
    assert first == f"O que aconteceu: {happened}"
    numbered = [f"  {number}. {cause}" for number, cause in enumerate(causes, 1)]
    if numbered:
        numbered.insert(0, TITLE if causes[1:] else "Causa:")
    assert middle == numbered
    assert last.startswith("Próximo passo: ") and step in last


def answering(answer):
    """Um programa que atende uma vez, lê o pedido e responde `answer(pedido)`, ou derruba."""

    def serve():
        conn, _ = listener.accept()
        with conn:
            reply = answer(conn.recv(1024))
            if reply is None:
                reset(conn)
            else:
                conn.sendall(reply)

    listener = socket.create_server((HERE, 0))
    thread = threading.Thread(target=serve)
    thread.start()
    return listener, thread


def check(answer, timeout=TIMEOUT):
    listener, thread = answering(answer)
    with listener:
        diagnosis = diagnose(*listener.getsockname(), timeout)
        thread.join(TIMEOUT)
    return diagnosis


def test_echo_server_is_fine_and_named():
    with EchoServer(port=0) as server:
        diagnosis = diagnose("localhost", server.address[1])
        assert (diagnosis.kind, diagnosis.ok, diagnosis.reasons) == ("echo", True, ())
        fine = r"um servidor de eco respondeu em \d+,\d ms\. Está tudo certo\."
        who = r" Quem atende: .* \(PID \d+, este mesmo programa\), nesta máquina\."
        hidden = sys.platform == "darwin"  # lá, só o administrador vê de quem é a porta
        assert re.fullmatch(fine if hidden else fine + who, diagnosis.happened)
        assert str(diagnosis).endswith("\nPróximo passo: conecte e converse.")


def test_nobody_listens_on_this_machine():
    with socket.create_server((HERE, 0)) as listener:
        port = listener.getsockname()[1]
    diagnosis = diagnose(HERE, port)
    assert (diagnosis.kind, diagnosis.ok) == ("refused_here", False)
    check_text(
        str(diagnosis),
        f"ninguém escuta na porta {port} de 127.0.0.1, e 127.0.0.1 é esta mesma máquina.",
        [
            "o servidor ainda não foi iniciado aqui, ou já terminou",
            "o servidor está em outra máquina: o endereço tem de ser o dela",
            "ele escuta em outra porta",
        ],
        "pergunte o IPv4 da máquina dela.",
    )


@pytest.mark.skipif(sys.platform == "darwin", reason="lá só existe o 127.0.0.1")
def test_server_on_another_address_of_this_machine_is_pointed_to():
    with EchoServer("127.0.0.2", 0) as server:
        port = server.address[1]
        diagnosis = diagnose(HERE, port)
    assert diagnosis.kind == "listens_elsewhere"
    check_text(
        str(diagnosis),
        f"nesta máquina, a porta {port} atende em 127.0.0.2, e não em 127.0.0.1.",
        ["o servidor fez bind em um só dos endereços desta máquina"],
        "conecte a 127.0.0.2, ou faça o bind do servidor em 0.0.0.0",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="nos outros, a fila cheia se porta diferente")
def test_server_of_this_machine_that_never_accepts_is_not_taken_for_a_network_problem():
    with socket.create_server((HERE, 0), backlog=0) as listener, ExitStack() as stack:
        for _ in range(2):  # enche a fila da escuta
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        diagnosis = diagnose(HERE, port, timeout=0.5)
    assert diagnosis.kind == "stuck"
    check_text(
        str(diagnosis),
        f"127.0.0.1 é esta mesma máquina, e a porta {port} não aceitou a conexão.",
        [
            "quem escuta ali não chama accept, e a fila da escuta encheu",
            "o programa que escuta está travado, ou parado num depurador",
            "um firewall desta máquina impede",
        ],
        "veja se o servidor está vivo",
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "255.255.255.255", "224.0.0.1"])
def test_address_that_is_no_machine_is_refused_before_any_packet(host):
    diagnosis = diagnose(host, 61840)
    assert diagnosis.kind == "any_address"
    check_text(
        str(diagnosis),
        f"{host} não é o endereço de uma máquina: não deve ser usado como destino.",
        [
            "0.0.0.0 só vale no bind do servidor, onde significa “todos os meus endereços”; no "
            "connect, uns sistemas o tomam por 127.0.0.1, e o Windows recusa",
            "endereços de várias máquinas, como 224.0.0.1 ou 255.255.255.255, não servem ao TCP",
        ],
        "use 127.0.0.1, se o servidor está nesta máquina",
    )


def test_port_zero_is_explained():
    diagnosis = diagnose(HERE, 0)
    assert diagnosis.kind == "port_zero"
    cause = "no bind do servidor, 0 pede ao sistema “uma porta livre qualquer”"
    check_text(str(diagnosis), "a porta 0 não serve de destino.", [cause], "é 61840")


def test_name_that_cannot_be_a_machine_is_explained():
    diagnosis = diagnose("sala..7", 61840)
    assert diagnosis.kind == "name_not_found"
    check_text(
        str(diagnosis),
        "o nome sala..7 não foi encontrado.",
        [
            "o nome foi digitado errado",
            "esta rede não tem quem traduza esse nome em endereço (DNS)",
        ],
        "use o endereço em números",
    )


@pytest.mark.parametrize("limit", ["max_clients", "max_clients_per_address"])
def test_full_server_is_told_from_a_stopped_one(limit):
    server = EchoServer(port=0, **{limit: 1})
    with server, socket.create_connection(server.start().address, TIMEOUT):
        diagnosis = diagnose(*server.address)
    assert diagnosis.kind == "full"
    check_text(
        str(diagnosis),
        "127.0.0.1 aceitou a conexão e a fechou em seguida, sem responder.",
        [
            "o servidor está cheio: chegou ao limite de clientes, ao todo ou desta máquina",
            "quem cuida dele desconectou ou bloqueou esta máquina, ou ele está parando",
            "quem escuta ali não é um servidor de eco",
        ],
        "feche as outras conexões desta máquina",
    )


@pytest.mark.parametrize("answer", [lambda probe: b"", lambda probe: None], ids=["FIN", "RST"])
def test_program_that_hangs_up_looks_like_a_full_server(answer):
    assert check(answer).kind == "full"


def test_echo_server_that_falls_after_the_echo_still_answered():
    with socket.create_server((HERE, 0)) as listener:

        def serve():
            for _ in range(50):  # a queda às vezes chega um instante depois
                conn = listener.accept()[0]
                conn.sendall(conn.recv(1024))
                reset(conn)

        thread = threading.Thread(target=serve)
        thread.start()
        for _ in range(50):
            assert diagnose(*listener.getsockname()).kind in ("echo", "full")
        thread.join(TIMEOUT)


def test_listener_that_never_accepts_is_silent():
    with socket.create_server((HERE, 0)) as listener:
        diagnosis = diagnose(*listener.getsockname(), 0.2)
    assert diagnosis.kind == "silent"
    check_text(
        str(diagnosis),
        "a conexão foi feita, mas nada voltou de 127.0.0.1 em 0,2 s.",
        [
            "o servidor atende um cliente por vez, e está com outro",
            "o servidor está em pausa, ou travado",
            "quem escuta ali não é um servidor de eco",
        ],
        "espere o outro cliente sair",
    )


@pytest.mark.parametrize("closes", [True, False], ids=["fecha", "cala"])
def test_part_of_the_echo_is_told_from_none_of_it(closes):
    with socket.create_server((HERE, 0)) as listener, ExitStack() as stack:

        def serve():
            conn = stack.enter_context(listener.accept()[0])
            conn.sendall(conn.recv(1024)[:5])
            if closes:
                conn.close()

        thread = threading.Thread(target=serve)
        thread.start()
        diagnosis = diagnose(*listener.getsockname(), TIMEOUT if closes else 0.3)
        thread.join(TIMEOUT)
    assert (diagnosis.kind, diagnosis.ok) == ("cut", False)
    check_text(
        str(diagnosis),
        "voltaram de 127.0.0.1 só 5 dos 22 bytes enviados.",
        [
            "o servidor lê ou envia uma vez só, e o resto da mensagem ficou para trás",
            "o servidor parou, ou a rede caiu, no meio da resposta",
            "quem escuta ali não é um servidor de eco",
        ],
        "tente de novo",
    )


def test_paused_server_is_silent_and_resumed_is_fine():
    with EchoServer(port=0) as server:
        server.pause()
        assert diagnose(*server.address, 0.2).kind == "silent"
        server.resume()
        assert diagnose(*server.address).ok


def test_answer_that_is_not_the_echo_is_shown_escaped_and_short():
    diagnosis = check(lambda probe: b"HTTP/1.1 400 \x1b[2J\r\n" + b"x" * 100)
    assert diagnosis.kind == "not_echo"
    host, port = diagnosis.address
    shown = r"HTTP/1.1 400 \x1b[2J\r\n" + "x" * 41
    check_text(
        str(diagnosis),
        f"quem atende em {host}:{port} não é um servidor de eco: respondeu “{shown}”.",
        ["a porta é de outro programa", "o endereço é de outra máquina"],
        "confira a porta e o endereço",
    )


def test_another_text_of_the_same_size_is_not_an_echo():
    assert check(lambda probe: probe.upper()).kind == "not_echo"


def test_command_exits_with_zero_only_for_an_echo():
    def run(*arguments):
        command = [sys.executable, "-Xutf8", "-m", "echo_lib", "diagnostico", *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=TIMEOUT, cwd=ROOT
        )
        return done.returncode, done.stdout + done.stderr

    with EchoServer(port=0) as server:
        code, text = run(*server.address)
        assert code == 0 and text.startswith("O que aconteceu: um servidor de eco respondeu em")
    code, text = run(*server.address)
    assert code == 1 and text.startswith("O que aconteceu: ninguém escuta na porta")
    code, text = run(HERE, "abc")
    assert code == 1 and text.startswith("esperava uma porta, número inteiro de 0 a 65535")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("", 1), "esperava o nome ou o endereço de uma máquina"),
        ((HERE, 65536), "esperava uma porta, número inteiro de 0 a 65535"),
        ((HERE, 1, 0), "esperava timeout em segundos, maior que zero"),
    ],
)
def test_bad_argument_is_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        diagnose(*arguments)
