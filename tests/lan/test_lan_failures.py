"""O que uma rede de verdade faz com uma conversa: perde pacotes, cai, volta, troca de endereço."""

import re
from time import monotonic

import pytest

from tests.conftest import finish
from tests.lan.conftest import SEARCH, open_lan

pexpect = pytest.importorskip("pexpect")  # não existe no Windows
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
PORT = 61840
OUTAGE = 10.0  # segundos que o cabo fica fora
SERVER = """
import sys
from echo_lib import EchoServer
with EchoServer("0.0.0.0", **eval(sys.argv[1])):
    input("no ar")
"""
# 1 MiB de linhas numeradas: uma que falte, sobre ou troque de lugar aparece.
LINES = """
import socket, sys, threading
from echo_lib import EchoClient
host = sys.argv[1]
text = "".join(f"{n:07} ação 🍎\\n" for n in range(2**20 // 20))
"""
CHUNKS = """
with EchoClient(host, timeout=60) as client:
    pieces = [text[start : start + 10000] for start in range(0, len(text), 10000)]
    print("".join(map(client.send, pieces)) == text)
"""
STREAM = """
with socket.create_connection((host, 61840), 60) as s:
    def send():
        s.sendall(text.encode())
        s.shutdown(socket.SHUT_WR)
    sender = threading.Thread(target=send)
    sender.start()
    print(b"".join(iter(lambda: s.recv(65536), b"")) == text.encode())
    sender.join()
"""
# Conversa sem parar até alguém apertar Enter; depois, mais uma vez.
ENDLESS = """
asked = threading.Event()
with EchoClient(host, timeout=60) as client:
    client.send("olá")
    threading.Thread(target=lambda: (input("conversando"), asked.set())).start()
    while not asked.is_set():
        assert client.send(text[:50000]) == text[:50000]
    assert client.send(text) == text
print("nada se perdeu")
"""
# Pergunta até o servidor ter lugar; mostra cada resposta diferente.
WAIT_FOR_A_PLACE = """
import sys
from time import monotonic
from echo_lib.network import diagnose
deadline, last = monotonic() + 15, ""
while last != "echo" and monotonic() < deadline:
    kind = diagnose(sys.argv[1], 61840).kind
    if kind != last:
        print(last := kind)
"""


def serve(host, terminal, **options):
    server = host.spawn(terminal, "-c", SERVER, options)
    server.expect_exact("no ar")
    return server


def join(host, terminal, address, *client):
    """Um cliente conectado, que já recebeu um eco."""
    child = host.spawn(terminal, *(client or ["-m", "echo_lib", "cliente"]), address)
    child.sendline("olá")
    child.expect_exact("Eco: olá")
    return child


@pytest.mark.parametrize("talk", [CHUNKS, STREAM], ids=["EchoClient", "socket"])
@pytest.mark.parametrize("percent", [5, 20])
def test_lossy_network_delivers_everything_in_order(two_hosts, terminal, percent, talk):
    teacher, student = two_hosts
    serve(teacher, terminal)
    # Repete em 20 ms, e não em 200, o que se perdeu: a mesma conversa, só que mais depressa.
    student.ip(f"route change 10.77.0.0/24 dev eth0 src {student.address} rto_min 20ms")
    with teacher.firewall(f"numgen random mod 100 < {percent} counter drop"):
        assert student.run("-c", LINES + talk, teacher.address) == ("True\n", "", 0)
        assert teacher.dropped() > 0


def test_conversation_survives_an_outage_and_loses_nothing(two_hosts, terminal):
    teacher, student = two_hosts
    serve(teacher, terminal)
    child = student.spawn(terminal, "-c", LINES + ENDLESS, teacher.address)
    child.expect_exact("conversando")
    with teacher.unplugged():
        child.sendline()
        silence = child.expect_exact([pexpect.TIMEOUT, "nada se perdeu"], timeout=OUTAGE)
        assert silence == 0
    assert finish(child, "nada se perdeu") == 0


def test_cable_that_does_not_come_back_is_explained_within_the_deadline(two_hosts, terminal):
    teacher, student = two_hosts
    serve(teacher, terminal)
    tutorial = join(student, terminal, teacher.address, "notebooks/cliente.py")
    ready = join(student, terminal, teacher.address)
    start = monotonic()
    with teacher.unplugged():
        for child in (tutorial, ready):
            child.sendline("alguém?")
        where = f"{teacher.address}:{PORT}"
        texts = [
            f"O que aconteceu: o tempo acabou, e o eco não chegou ({where}).",
            "O que fazer: ",
        ]
        assert finish(ready, *texts) == 1
        assert (
            finish(tutorial, f"Nada voltou de {where} em 5 s: servidor ocupado, ou firewall?") == 1
        )
    assert 5 <= monotonic() - start < 10


def test_place_of_a_client_that_vanished_is_freed_by_the_silence_limit(terminal):
    with open_lan(3) as (teacher, student, other):
        serve(teacher, terminal, max_clients=1, idle_timeout=3)
        vanished = join(student, terminal, teacher.address)
        with student.unplugged():
            shown = other.run("-c", WAIT_FOR_A_PLACE, teacher.address)
            assert shown == ("full\necho\n", "", 0)
        vanished.sendline("voltei")
        assert finish(vanished, "O que aconteceu: ", "conecte de novo") == 1


def test_server_that_changes_address_is_noticed_and_found_at_the_new_one(two_hosts, terminal):
    teacher, student = two_hosts
    command = ["-m", "echo_lib", "servidor", "--host", "0.0.0.0"]
    teacher.spawn(terminal, *command).expect_exact("Escutando")
    client = join(student, terminal, teacher.address)
    teacher.ip(f"addr del {teacher.address}/24 dev eth0", "addr add 10.77.0.9/24 dev eth0")
    client.sendline("ainda aí?")
    student.ip("neigh flush all")  # como minutos depois: ninguém lembra mais de quem era
    old, _, code = student.run("-m", "echo_lib", "diagnostico", teacher.address)
    assert code == 1
    assert f"nenhuma máquina desta rede responde pelo endereço {teacher.address}.\n" in old
    assert "  1. o endereço foi digitado errado, ou a máquina mudou de endereço\n" in old
    assert finish(client, "o tempo acabou, e o eco não chegou") == 1
    shown, errors, _ = student.run("-c", SEARCH)
    assert re.fullmatch(rf"Eco de .* 10\.77\.0\.9 {PORT}\n", shown) and errors == ""
    join(student, terminal, "10.77.0.9")
