"""O diagnóstico de outra máquina: cada impedimento, provocado de verdade, é dito pelo nome."""

import re

import pytest

from tests.lan.conftest import open_lan
from tests.test_diagnosis import check_text

TEACHER, STUDENT, OTHER_NETWORK = "10.77.0.1", "10.77.0.2", "192.168.0.12"
NOBODY, ECHO, LOCAL, FILTERED, FULL, CROWDED, SILENT, HTTP, ELSEWHERE = range(7000, 7009)
TELL = """
from time import monotonic
from echo_lib.network import diagnose
def tell(host, port, timeout=8):
    start = monotonic()
    diagnosis = diagnose(host, port, timeout)
    assert monotonic() - start < timeout + 1
    print(diagnosis.kind)
    print(diagnosis)
"""
SERVERS = f"""
import socket, threading
from http.server import HTTPServer, SimpleHTTPRequestHandler
from echo_lib import EchoServer
echo = EchoServer("0.0.0.0", {ECHO}).start()
local = EchoServer("127.0.0.1", {LOCAL}).start()
full = EchoServer("0.0.0.0", {FULL}, max_clients=1).start()
guest = socket.create_connection(("127.0.0.1", {FULL}))
crowded = EchoServer("0.0.0.0", {CROWDED}, max_clients_per_address=1).start()
silent = socket.create_server(("0.0.0.0", {SILENT}))
http = HTTPServer(("0.0.0.0", {HTTP}), SimpleHTTPRequestHandler)
threading.Thread(target=http.serve_forever, daemon=True).start()
"""
GUEST = f"""
import socket
from echo_lib import EchoServer
elsewhere = EchoServer("127.0.0.1", {ELSEWHERE}).start()
guest = socket.create_connection(("{TEACHER}", {CROWDED}))
"""
REFUSED = [
    "o servidor não foi iniciado, ou já terminou",
    "ele escuta em outra porta",
    "ele escuta só em 127.0.0.1, isto é, só atende a máquina dele",
    "o firewall dela recusa os pedidos, em vez de ignorá-los",
    "esse endereço é de outra máquina, e não da que tem o servidor",
]


@pytest.fixture(scope="module")
def student():
    """A máquina de onde se pergunta; na da professora há um servidor de cada jeito."""
    with open_lan(2) as (teacher, student), teacher.firewall(f"tcp dport {FILTERED} drop"):
        assert teacher.kernel().run(SERVERS) == ""
        student.desk = student.kernel()
        assert student.desk.run(TELL + GUEST) == ""
        yield student


@pytest.mark.parametrize(
    ("kind", "port", "happened"),
    [
        ("full", FULL, f"{TEACHER} aceitou a conexão e a fechou em seguida, sem responder."),
        ("full", CROWDED, f"{TEACHER} aceitou a conexão e a fechou em seguida, sem responder."),
        ("silent", SILENT, f"a conexão foi feita, mas nada voltou de {TEACHER} em 1 s."),
        ("not_echo", HTTP, f"quem atende em {TEACHER}:{HTTP} não é um servidor de eco: respondeu"),
    ],
    ids=["full", "full_for_this_machine", "silent", "http"],
)
def test_obstacle_after_the_connection_is_named(student, kind, port, happened):
    told = student.desk.run(f"tell('{TEACHER}', {port}, 1)")
    assert told.startswith(f"{kind}\nO que aconteceu: {happened}")


@pytest.mark.parametrize(
    ("kind", "port", "happened"),
    [
        ("refused_here", NOBODY, f"ninguém escuta na porta {NOBODY} de {STUDENT}, e {STUDENT} é"),
        ("listens_elsewhere", ELSEWHERE, f"nesta máquina, a porta {ELSEWHERE} atende em 127.0.0.1"),
    ],
    ids=["nobody", "elsewhere"],
)
def test_own_address_is_recognised(student, kind, port, happened):
    told = student.desk.run(f"tell('{STUDENT}', {port})")
    assert told.startswith(f"{kind}\nO que aconteceu: {happened}")


@pytest.mark.parametrize("port", [NOBODY, LOCAL], ids=["nobody", "loopback"])
def test_port_where_nobody_listens_to_the_network_is_refused(student, port):
    kind, text = student.desk.run(f"tell('{TEACHER}', {port})").split("\n", 1)
    assert kind == "refused"
    happened = f"a máquina {TEACHER} respondeu que ninguém escuta na porta {port}."
    check_text(text, happened, REFUSED, "Para atender a rede, ele precisa de bind em 0.0.0.0.")


def test_firewall_that_drops_is_told_from_a_refusal(student):
    kind, text = student.desk.run(f"tell('{TEACHER}', {FILTERED}, 1)").split("\n", 1)
    assert kind == "filtered"
    check_text(
        text,
        f"nenhuma resposta de {TEACHER} em 1 s: nem sim, nem não.",
        [
            "o firewall da máquina do servidor descarta os pedidos; no Windows, a permissão pode "
            "valer só em redes privadas, e esta estar marcada como pública",
            "o servidor não está no ar: o Windows, em vez de recusar, costuma calar",
            "o Wi-Fi isola os aparelhos uns dos outros",
            "nenhuma máquina ligada usa hoje esse endereço",
        ],
        "se o firewall da máquina dele permite o Python",
    )


def test_address_nobody_uses_is_told_from_a_firewall(student):
    kind, text = student.desk.run(f"tell('10.77.0.99', {ECHO})").split("\n", 1)
    assert kind == "no_machine"
    check_text(
        text,
        "nenhuma máquina desta rede responde pelo endereço 10.77.0.99.",
        [
            "o endereço foi digitado errado, ou a máquina mudou de endereço",
            "ela está desligada, suspensa, ou em outra rede",
            "o Wi-Fi isola os aparelhos uns dos outros",
            "o firewall dela recusa os pedidos",
            "no macOS, falta a este programa a permissão Rede Local (Privacidade e Segurança)",
        ],
        "pergunte o IPv4 de agora",
    )


def test_command_exits_with_zero_only_for_an_echo(student):
    text, errors, code = student.run("-m", "echo_lib", "diagnostico", TEACHER, ECHO)
    happened = r"O que aconteceu: um servidor de eco respondeu em [\d,]+ ms\. Está tudo certo\."
    assert re.fullmatch(happened + "\nPróximo passo: conecte e converse\\.\n", text)
    assert (errors, code) == ("", 0)
    text, errors, code = student.run("-m", "echo_lib", "diagnostico", TEACHER, NOBODY)
    assert "Causas prováveis, da mais comum para a menos:\n  1. o servidor não foi" in text
    assert (errors, code) == ("", 1)


@pytest.mark.parametrize("forward", [0, 1], ids=["swallows", "answers_unreachable"])
def test_router_that_does_not_know_the_network_is_told_from_no_route(two_hosts, forward):
    router, student = two_hosts
    router.set("net/ipv4/ip_forward", forward)
    student.ip(f"route add default via {router.address}")
    shown, errors, _ = student.run("-c", f"{TELL}tell('{OTHER_NETWORK}', {ECHO}, 1)")
    kind, text = shown.split("\n", 1)
    assert (kind, errors) == ("other_subnet", "")
    check_text(
        text,
        f"{OTHER_NETWORK} não respondeu, e não é da mesma rede que esta máquina ({STUDENT}).",
        [
            "as duas máquinas estão em redes diferentes: uma no Wi-Fi de visitantes, por exemplo",
            "o endereço foi copiado de outro lugar, como o 192.168.0.12 do tutorial",
            "o endereço que se anotou é o de um adaptador virtual, ou de uma VPN",
        ],
        "ponha as duas máquinas na mesma rede",
    )


@pytest.mark.parametrize("cable", ["with_cable", "without_cable"])
def test_machine_without_route_is_told_from_an_absent_server(two_hosts, cable):
    teacher, student = two_hosts
    host = OTHER_NETWORK
    if cable == "without_cable":
        host = teacher.address
        student.unplug()
    shown, errors, _ = student.run("-c", f"{TELL}tell('{host}', {ECHO})")
    kind, text = shown.split("\n", 1)
    assert (kind, errors) == ("no_route", "")
    check_text(
        text,
        f"esta máquina não tem caminho (rota) até {host}.",
        [
            "o Wi-Fi está desligado, ou o cabo está fora",
            "o endereço é de uma rede que esta máquina não conhece",
            "esta máquina só tem IPv6, e o endereço é IPv4",
        ],
        "conecte-se à mesma rede da máquina do servidor",
    )


def test_name_server_that_never_answers_does_not_hang(two_hosts):
    router, student = two_hosts
    student.ip(f"route add default via {router.address}")
    shown, errors, _ = student.run("-c", f"{TELL}tell('professora.invalid', {ECHO}, 1)")
    assert shown.startswith("name_not_found\nO que aconteceu: o nome professora.invalid não foi")
    assert errors == ""
