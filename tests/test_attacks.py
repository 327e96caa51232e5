"""Um aluno entediado ataca: a turma não nota, e o servidor não guarda nada dele.

Os tempos são medidos e mostrados (`-rA`, ou o XML de `--junit-xml`), nunca cobrados; os ataques em
tamanho natural ficam em `benchmarks/attacks.py`.
"""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from echo_lib import EchoServer

if sys.platform != "linux":
    pytest.skip("só no Linux todo 127.x.x.x é desta máquina", allow_module_level=True)

from tests.attacks import (
    ATTACKER,
    ATTACKS,
    CLASS,
    IDLE,
    PER_ADDRESS,
    STUDENTS,
    Attack,
    Class,
    Server,
    several,
    suffer,
)
from tests.common import TIMEOUT, receive

SMALL = {
    "multidão": 2000,
    "calados": PER_ADDRESS,
    "conta-gotas": 2 * PER_ADDRESS,
    "surdos": 1,
    "gigabytes": 64,
    "RST": 500,
    "entra e sai": 1000,
    "bytes ao acaso": 200,
    "textos hostis": 500,
}
MORE_MEMORY = 4.0  # MiB que o servidor pode crescer
CROWD = 1000  # conexões à espera do accept
LOG = 1000  # acontecimentos que o registro guarda
SILENCE = f"saiu: ficou {IDLE:g} segundo em silêncio"
TOLD = {  # o que o registro conta do atacante
    "multidão": f"recusado: este endereço já tem {PER_ADDRESS} clientes",
    "calados": SILENCE,
    "conta-gotas": "saiu: fechou a conexão",
    "surdos": SILENCE,
    "gigabytes": "saiu: fechou a conexão",
    "RST": "saiu: a conexão foi cortada",
    "entra e sai": "saiu: fechou a conexão",
    "bytes ao acaso": "saiu: fechou a conexão",
    "textos hostis": "saiu: fechou a conexão",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_class_does_not_notice(name, record_property):
    with Server() as server, Class(server.address) as turma:
        report = suffer(server, turma, name, SMALL[name])
        show(name, report, record_property)
        for figures in (report.quiet, report.attacked):
            assert figures.failures == [] and figures.answered >= STUDENTS
        assert report.after - report.before < MORE_MEMORY
        assert report.peak <= PER_ADDRESS
        while server.clients()[ATTACKER]:
            turma.rounds(1)
        assert talks(server)
        log = server.log()
        assert len(log) <= LOG and TOLD[name] in [what for who, what in log if who == ATTACKER]
        assert {who for who, what in log if what == "entrou"} >= {*CLASS}


def test_newcomer_enters_behind_a_crowd_not_yet_accepted():
    if int(Path("/proc/sys/net/core/somaxconn").read_text()) < 2 * CROWD:
        pytest.skip("este sistema corta a fila da escuta (somaxconn)")
    with EchoServer(port=0, max_clients_per_address=PER_ADDRESS) as server:
        server.pause()
        with several(server.address, CROWD):
            sock = socket.create_connection(server.address, TIMEOUT, (CLASS[0], 0))
        server.resume()
        with sock:
            sock.sendall(b"bom dia")
            assert receive(sock, 7) == b"bom dia"


def test_attacker_without_a_processor_starts_over():
    with Server() as server, Attack("gigabytes", server.address, 16) as attack:
        while not server.clients()[ATTACKER]:
            pass
        os.kill(attack.process.pid, signal.SIGSTOP)
        while server.clients()[ATTACKER]:  # calado, ele é desconectado
            pass
        os.kill(attack.process.pid, signal.SIGCONT)
        assert attack.hear() == {"MiB": 16}


def test_time_the_server_itself_was_stopped_is_not_silence_of_its_clients():
    with Server() as server, socket.create_connection(server.address, TIMEOUT) as sock:
        sock.sendall(b"oi")
        assert receive(sock, 2) == b"oi"
        os.kill(server.process.pid, signal.SIGSTOP)
        sock.settimeout(2 * IDLE)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        os.kill(server.process.pid, signal.SIGCONT)
        assert talks(server)
        sock.sendall(b"ainda?")
        assert receive(sock, 6) == b"ainda?"


def talks(server):
    """Se um cliente novo, do endereço do atacante, conversa."""
    with socket.create_connection(server.address, TIMEOUT, (ATTACKER, 0)) as sock:
        sock.sendall(b"desculpe")
        return receive(sock, 8) == b"desculpe"


def show(name, report, record_property):
    figures = {
        "p50 em sossego, ms": report.quiet.cut(50),
        "p99 em sossego, ms": report.quiet.cut(99),
        "p50 sob ataque, ms": report.attacked.cut(50),
        "p99 sob ataque, ms": report.attacked.cut(99),
        "memória antes, MiB": report.before,
        "memória depois, MiB": report.after,
        "conexões do atacante": report.peak,
        **report.outcome,
    }
    for what, value in figures.items():
        record_property(what, round(value, 2))
    print(f"{name}: " + "; ".join(f"{what} {value:.2f}" for what, value in figures.items()))
