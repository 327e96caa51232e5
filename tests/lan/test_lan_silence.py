"""Lição 10: um par que sumiu só é notado por um prazo ou pelo keepalive."""

import pytest

pexpect = pytest.importorskip("pexpect")  # não existe no Windows
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
SILENT = """
import socket
with socket.create_server(("0.0.0.0", 61840)) as s:
    print("no ar")
    conn = s.accept()[0]
    input()
"""
WAIT = """
import errno, socket, sys
with socket.create_connection((sys.argv[1], 61840), 5) as s:
    s.settimeout(None)
    if sys.argv[2] == "keepalive":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2}.items():
            s.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    print("esperando")
    try:
        s.recv(1)
    except TimeoutError as error:
        print("notou:", errno.errorcode[error.errno])
"""


TEACH = """
from threading import Event
from echo_lib import EchoServer, server
server._KEEPALIVE = {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2}
eco = EchoServer("0.0.0.0").start()
"""
TELL = """
while eco.clients:
    Event().wait(0.01)
print(eco.log[-1].what)
"""


def test_echo_server_lets_go_of_a_machine_that_vanished(two_hosts):
    teacher, student = two_hosts
    desk, other = teacher.kernel(), student.kernel()
    assert desk.run(TEACH) == ""
    other.run(f"from echo_lib import EchoClient; c = EchoClient('{teacher.address}').connect()")
    assert other.run("print(c.send('olá'))") == "olá\n"
    with teacher.unplugged():
        assert desk.run(TELL) == "saiu: a conexão foi cortada\n"


@pytest.mark.parametrize(("how", "notices"), [("keepalive", True), ("nada", False)])
def test_peer_that_vanished_is_noticed_only_by_who_asks(two_hosts, terminal, how, notices):
    teacher, student = two_hosts
    teacher.spawn(terminal, "-c", SILENT).expect_exact("no ar")
    child = student.spawn(terminal, "-c", WAIT, teacher.address, how)
    child.expect_exact("esperando")
    with teacher.unplugged():
        heard = child.expect_exact(["notou: ETIMEDOUT", pexpect.TIMEOUT], timeout=8)
    assert (heard == 0) == notices
