"""Um segundo host de verdade: a professora serve numa máquina, os alunos conversam de outras."""

import re
import socket

import pytest

from tests.conftest import finish
from tests.lan.conftest import SEARCH, open_lan

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
PORT = 61840
TEXT = "olá, ção 🗣️"
TEACH = """
from echo_lib import EchoServer
from echo_lib.network import Announcement
server = EchoServer("0.0.0.0").start()
announcement = Announcement(server.address[1], "Eco da professora")
"""
ANNOUNCED = f"Eco da professora 10.77.0.1 {PORT}\n"
NAMESAKE = """
from threading import Event
from echo_lib.network import Announcement
announcement = Announcement(61850, "Eco da professora")
while announcement.name is None:
    Event().wait(0.01)
print(announcement.name)
"""
EVERYONE = "from echo_lib.network import *; print(*(found.address for found in discover(2)))"
PATIENT = """
from time import monotonic
import zeroconf  # o tempo de carregá-lo não é o da procura
from echo_lib.network import Announcement, discover
announcement = Announcement(61840, "Eco")
start = monotonic()
found = discover(0.5)
print(found, monotonic() - start < 1.5)
announcement.close()
"""
STUDENT = """
import sys
from echo_lib import EchoClient
name, host = sys.argv[1:]
with EchoClient(host) as client:
    input("na sala")
    for n in range(300):
        text = f"{name} {n} maçã " * n
        assert client.send(text) == text
    input("conferi")
"""


@pytest.fixture(scope="module")
def classroom():
    """A máquina da professora, o kernel com o servidor dela, e as máquinas de três alunos."""
    with open_lan(4) as (teacher, *students):
        desk = teacher.kernel()
        assert desk.run(TEACH) == ""
        assert students[0].run("-c", SEARCH) == (ANNOUNCED, "", 0)
        yield teacher, desk, students


def test_student_kernel_discovers_the_teacher_and_talks(classroom):
    _, _, (student, *_) = classroom
    desk = student.kernel()
    assert desk.run(SEARCH) == ANNOUNCED
    assert desk.run("from echo_lib import EchoClient") == ""
    talk = f"with EchoClient(*found[0].address) as client:\n    print(client.send('{TEXT}'))"
    assert desk.run(talk) == f"{TEXT}\n"


def test_two_servers_with_the_same_name_are_found_each_at_its_own_address(classroom):
    teacher, _, (other, student, _) = classroom
    desk = other.kernel()
    assert desk.run(NAMESAKE) == "Eco da professora-2\n"
    both = (teacher.address, PORT), (other.address, 61850)
    assert student.run("-c", EVERYONE) == (" ".join(map(str, both)) + "\n", "", 0)
    desk.run("announcement.close()")


@pytest.mark.parametrize(
    "client",
    [["notebooks/cliente.py"], ["-m", "echo_lib", "cliente"]],
    ids=["tutorial", "echo_lib"],
)
def test_program_of_another_machine_echoes_accents(classroom, terminal, client):
    teacher, _, (student, *_) = classroom
    child = student.spawn(terminal, *client, teacher.address, PORT)
    child.expect_exact(f"Conectado a {teacher.address}:{PORT}. Digite sair para encerrar.")
    child.sendline(TEXT)
    child.expect_exact(f"Eco: {TEXT}\r\n")
    child.sendline("sair")
    assert finish(child) == 0


def test_three_students_at_once_get_each_its_own_bytes(classroom, terminal):
    teacher, desk, students = classroom
    children = [s.spawn(terminal, "-c", STUDENT, s.name, teacher.address) for s in students]
    for child in children:
        child.expect_exact("na sala")
    for child in children:
        child.sendline()
    for child in children:
        child.expect_exact("conferi")
    shown = desk.run("print(sorted(c.address[0] for c in server.clients))")
    assert shown == f"{[s.address for s in students]}\n"
    for child in children:
        child.sendline()
    assert [finish(child) for child in children] == [0, 0, 0]


@pytest.mark.parametrize("host", ["0.0.0.0", "10.77.0.7"])
def test_server_open_to_the_network_says_what_to_type_and_is_announced(two_hosts, terminal, host):
    teacher, student = two_hosts
    teacher.ip("addr add 10.77.0.7/24 dev eth0")
    server = teacher.spawn(terminal, "-m", "echo_lib", "servidor", "--host", host)
    mine = teacher.address if host == "0.0.0.0" else host
    for line in (
        f"Escutando em {host}:{PORT}. Ctrl+C encerra.\r\nDigite no cliente: {mine} {PORT}\r\n",
        f"Qualquer aparelho desta rede pode conectar à porta {PORT} desta máquina e receber",
        "Abrir esta porta não põe mais nada ao alcance: nem arquivos, nem o JupyterLab.",
        "O que se envia viaja sem cifra: nada de senhas.",
        "Limites: 32 clientes por máquina, 1000 ao todo; quem fica 60 minutos em silêncio",
    ):
        server.expect_exact(line)
    shown, errors, _ = student.run("-c", SEARCH)
    addresses = [teacher.address, "10.77.0.7"] if host == "0.0.0.0" else [host]
    # O ponto separa as partes de um nome de domínio: no anúncio, vira espaço.
    name = f"Eco de {socket.gethostname()}".replace(".", " ")[:40]
    assert shown.splitlines() == [f"{name} {address} {PORT}" for address in addresses]
    assert errors == ""
    server.sendintr()
    assert finish(server, "Encerrado.") == 0
    assert student.run("-c", "from echo_lib.network import *; print(discover(0.5))")[0] == "[]\n"


@pytest.mark.parametrize("network", ["143.106.10", "100.64.3"])  # públicos; RFC 6598
def test_local_network_of_other_addresses_is_searched_too(two_hosts, network):
    for number, host in enumerate(two_hosts, 1):
        host.ip(f"addr add {network}.{number}/24 dev eth0", f"addr del {host.address}/24 dev eth0")
    teacher, student = two_hosts
    assert teacher.kernel().run(TEACH) == ""
    assert student.run("-c", SEARCH) == (f"Eco da professora {network}.1 {PORT}\n", "", 0)


@pytest.mark.parametrize("hook", ["input", "output"])
def test_filtered_multicast_finds_nobody_silently_and_typing_the_address_works(classroom, hook):
    teacher, _, (student, *_) = classroom
    # Também na saída da professora: uma resposta atrasada à última procura chegaria agora.
    rule = "udp dport 5353 drop"
    with student.firewall(rule, hook), teacher.firewall(rule, "output"):
        assert student.run("-c", PATIENT) == ("[] True\n", "", 0)
        shown, errors, code = student.run("-m", "echo_lib", "diagnostico", teacher.address)
        assert re.match(r"O que aconteceu: um servidor de eco respondeu em [\d,]+ ms\.", shown)
        assert (errors, code) == ("", 0)


def test_machine_without_network_finds_nobody_silently(two_hosts):
    student = two_hosts[1]
    with student.unplugged():
        assert student.run("-c", PATIENT) == ("[] True\n", "", 0)
    student.ip("link del eth0")
    assert student.run("-c", PATIENT) == ("[] True\n", "", 0)


# O painel na máquina da professora; `shown` espera que a página devesse mostrar algo.
PANEL = """
import threading
from echo_lib import ClassPanel
panel = ClassPanel(name="Eco da turma")
changed = threading.Condition(panel._turn)
def wake(change):
    with changed:
        changed.notify_all()
panel.observe(wake)
def shown(condition):
    with changed:
        return changed.wait_for(condition, 20)
print(panel.server.running, panel.share(confirmed=True))
"""
# A célula do painel, executada de novo com outro nome.
RENAMED = """
panel = ClassPanel(name="Outro nome")
panel.observe(wake)
print(shown(lambda: panel.notice and "A turma continua conectada" in panel.notice[0]))
"""
ONLY_THE_NEW = SEARCH.replace("not found", "[s.name for s in found] != ['Outro nome']")
HEARD = "shown(lambda: any('Ana' in machine for machine in panel.machines))"
FOUR = "shown(lambda: panel.totals[:3] == [3, 4, 4])"
NAMES = "print(sorted((host, name, count) for host, name, count, *_ in panel.machines))"


def test_class_panel_shows_each_machine_and_disconnects_one(terminal):
    with open_lan(4) as (teacher, *students):
        desk = teacher.kernel()
        where = f"Aberto. A turma pode conectar a {teacher.address}, porta {PORT}."
        assert desk.run(PANEL, "painel") == f"False {where}\n"
        assert "Eco da turma 10.77.0.1 61840\n" in students[0].run("-c", SEARCH)[0]
        client = ["-m", "echo_lib", "cliente", teacher.address]
        machines = [students[0], *students]  # o primeiro abre dois terminais
        children = [student.spawn(terminal, *client) for student in machines]
        for child, name in zip(children, ("Ana", "outra", "Bia", "Caio"), strict=True):
            child.sendline(name)
            child.expect_exact(f"Eco: {name}")
            if name == "Ana":  # o nome é o da primeira mensagem que o painel viu
                assert desk.run(f"print({HEARD})") == "True\n"
        assert desk.run(f"print({FOUR})\n{NAMES}") == (
            "True\n[('10.77.0.2', 'Ana, outra', 2), ('10.77.0.3', 'Bia', 1), "
            "('10.77.0.4', 'Caio', 1)]\n"
        )
        assert (
            desk.run("print(panel.disconnect('10.77.0.2'))")
            == "Desconectado: Ana, outra (10.77.0.2).\n"
        )
        assert desk.run("print(shown(lambda: panel.totals[:2] == [2, 2]))") == "True\n"
        children[0].sendline("ainda?")
        assert finish(children[0], "O que aconteceu: ", "conecte de novo") == 1
        children[2].sendline("eu continuo")
        children[2].expect_exact("Eco: eu continuo")
        assert desk.run("print(panel.block('10.77.0.4'))") == "Bloqueado: 10.77.0.4.\n"
        assert desk.run("print(shown(lambda: panel.totals[:2] == [1, 1]))") == "True\n"
        assert desk.run(NAMES) == (
            "[('10.77.0.2', 'Ana', 0), ('10.77.0.3', 'Bia', 1), ('10.77.0.4', '', 0)]\n"
        )
        children[3].sendline("e eu?")
        assert finish(children[3], "O que aconteceu: ") == 1
        again = students[2].spawn(terminal, *client)
        again.sendline("de novo")
        assert finish(again, "O que aconteceu: ") == 1
        desk.run("panel.unblock('10.77.0.4')")
        again = students[2].spawn(terminal, *client)
        again.sendline("Caio, comportado")
        again.expect_exact("Eco: Caio, comportado")
        assert desk.run(f"print({HEARD.replace('Ana', 'Caio, comportado')})") == "True\n"
        assert desk.run(RENAMED, "painel") == "True\n"
        assert students[0].run("-c", ONLY_THE_NEW)[0] == f"Outro nome {teacher.address} {PORT}\n"
        announced = "print(shown(lambda: panel.announced == 'Outro nome'))"
        assert desk.run(announced) == "True\n"
        teacher.ip(f"addr del {teacher.address}/24 dev eth0", "addr add 10.77.0.99/24 dev eth0")
        moved = f"mudou de {teacher.address} para 10.77.0.99: todos precisam conectar de novo"
        look = f"panel._next_look = 0.0; print(shown(lambda: {moved!r} in ' '.join(panel.notice)))"
        assert desk.run(look) == "True\n"
        assert desk.run("print(panel.address)") == f"10.77.0.99:{PORT}\n"
        assert desk.run("print(shown(lambda: panel.totals[0] == 0))") == "True\n"
        back = students[2].spawn(terminal, *client[:-1], "10.77.0.99")
        back.sendline("voltei")  # sem repetir o nome
        back.expect_exact("Eco: voltei")
        assert desk.run("print(shown(lambda: panel.totals[:2] == [1, 1]))") == "True\n"
        assert "('10.77.0.4', 'Caio, comportado', 1)" in desk.run(NAMES)
        teacher.ip("addr add 10.77.0.1/24 dev eth0")
        desk.run("panel.close()")
        children[2].sendline("e agora?")
        assert finish(children[2], "O que aconteceu: ") == 1
