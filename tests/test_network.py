"""Esta máquina na rede: endereços, portas em uso e a próxima livre, como o sistema os mostra."""

import os
import re
import shlex
import socket
import subprocess
import sys
from contextlib import closing

import psutil
import pytest

from echo_lib import network
from echo_lib.network import (
    Interface,
    PortUse,
    addresses,
    lan_address,
    next_free_port,
    parse_netstat,
    port_holder,
    ports,
)
from tests.common import HERE, TIMEOUT
from tests.conftest import need, new_network

WINDOWS = """
Conexões ativas

  Proto  Endereço local         Endereço externo       Estado
  TCP    0.0.0.0:135            0.0.0.0:0              LISTENING
  TCP    127.0.0.1:61840        127.0.0.1:50123        ESTABLISHED
  TCP    [::]:135               [::]:0                 LISTENING
  UDP    0.0.0.0:5353           *:*
"""
MACOS = """
Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp46      0      0  *.135                  *.*                    LISTEN
tcp4       0      0  127.0.0.1.61840        127.0.0.1.50123        ESTABLISHED
tcp6       0      0  fe80::1%lo0.61842      *.*                    LISTEN
udp4       0      0  *.5353                 *.*
Active LOCAL (UNIX) domain sockets
"""
LINUX = """
Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State
tcp        0      0 0.0.0.0:135             0.0.0.0:*               LISTEN
tcp        3    120 127.0.0.1:61840         127.0.0.1:50123         ESTABLISHED
tcp6       0      0 :::22                   :::*                    LISTEN
udp        0      0 127.0.0.1:323           0.0.0.0:*
unix  2      [ ACC ]     STREAM     LISTENING     17021    /run/user/1000/bus
"""


@pytest.fixture
def listener():
    with socket.create_server((HERE, 0)) as listener:
        yield listener


@pytest.mark.parametrize("text", [WINDOWS, MACOS, LINUX], ids=["Windows", "macOS", "Linux"])
def test_netstat_of_each_system_is_read(text):
    listening = PortUse(("0.0.0.0", 135), None, "LISTEN")
    conversation = PortUse((HERE, 61840), (HERE, 50123), "ESTABLISHED")
    assert parse_netstat(text) == [listening, conversation]


@pytest.mark.parametrize(
    ("written", "state"),
    [("FIN_WAIT_2", "FIN_WAIT2"), ("SYN_RCVD", "SYN_RECV"), ("TIME_WAIT", "TIME_WAIT")],
)
def test_netstat_of_macos_gives_the_names_of_psutil(written, state):
    (row,) = parse_netstat(f"tcp4  0  0  127.0.0.1.61840  127.0.0.1.50123  {written}\n")
    assert row.state == state


def alive(port):
    """As linhas da porta, sem o que restou (TIME_WAIT) de quem a usou antes."""
    rows = ports(port)
    assert {str(row) for row in rows if row.state == "LISTEN"} <= {str(row) for row in ports()}
    return [(row.local, row.peer, row.state) for row in rows if row.state != "TIME_WAIT"]


def test_port_shows_who_listens_first_and_both_ends_and_netstat_agrees(listener, monkeypatch):
    def denied(kind):
        raise psutil.AccessDenied

    need("netstat")
    server = listener.getsockname()
    with socket.create_connection(server) as connection, listener.accept()[0]:
        client = connection.getsockname()
        listening, *ends = mine = alive(server[1])
        assert listening == (server, None, "LISTEN")
        both = [(server, client, "ESTABLISHED"), (client, server, "ESTABLISHED")]
        assert sorted(ends) == sorted(both)
        assert port_holder(client[1]) == ""  # usada, mas ninguém escuta
        assert ports(str(server[1])) == ports(server[1])  # como em valid_address
        monkeypatch.setattr(psutil, "net_connections", denied)  # o macOS sem administrador
        assert alive(server[1]) == mine and port_holder(server[1]) == ""


@pytest.mark.parametrize("question", [ports, port_holder])
def test_what_is_no_port_is_not_a_port_that_nobody_uses(question):
    with pytest.raises(ValueError, match=r"esperava uma porta, .*; recebi 'sessenta'"):
        question("sessenta")


@pytest.mark.skipif(sys.platform == "darwin", reason="lá, sem administrador, não se vê de quem é")
def test_holder_of_a_port_is_named(listener):
    port, name = listener.getsockname()[1], psutil.Process().name()
    assert port_holder(port) == f"{name} (PID {os.getpid()}, este mesmo programa)"
    row = ports(port)[0]
    assert str(row).split() == [f"{HERE}:{port}", "*", "LISTEN", name, "(PID", f"{os.getpid()})"]


def test_process_that_ended_or_is_hidden_has_no_name():
    with subprocess.Popen([sys.executable, "-c", ""]) as done:
        done.wait(TIMEOUT)
    assert PortUse((HERE, 1), None, "LISTEN", done.pid).process == ""
    assert PortUse((HERE, 1), None, "LISTEN").process == ""


def test_next_free_port_skips_the_ones_in_use(listener):
    start = listener.getsockname()[1]
    free = next_free_port(start=start)
    assert free > start and port_holder(free) == ""
    with socket.create_server((HERE, free)):
        assert next_free_port(start=start) > free
    assert next_free_port(start=0) > 0


def test_next_free_port_says_why_there_is_none(listener, monkeypatch):
    monkeypatch.setattr(network.local, "_TRIES", 1)
    address = listener.getsockname()
    for host, port, cause in [
        (*address, f"o endereço (127.0.0.1:{address[1]}) já está em uso"),
        ("192.168.0.12", 61840, "o bind só aceita endereços desta máquina"),
    ]:
        with pytest.raises(OSError) as caught:
            next_free_port(host, port)
        assert cause in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="esperava uma porta"):
        next_free_port(start=65536)


def test_name_that_does_not_exist_is_looked_up_only_once(monkeypatch):
    tried = []
    monkeypatch.setattr(network.local, "closing", lambda s: tried.append(s) or closing(s))
    with pytest.raises(socket.gaierror) as caught:
        next_free_port("eco.invalid")
    assert len(tried) == 1 and "o nome da máquina" in caught.value.__notes__[0]


def test_addresses_of_this_machine_can_be_bound_and_the_lan_one_comes_first():
    found = addresses()
    assert [i.address for i in found if i.lan] == [a for a in [lan_address()] if a]
    assert found == sorted(found, key=lambda i: not i.lan)
    assert HERE in [interface.address for interface in found]
    for interface in found:
        with socket.create_server((interface.address, 0)):
            pass


@pytest.mark.parametrize(
    ("interface", "text"),
    [
        (Interface("lo", HERE, False), "127.0.0.1        lo (só esta máquina)"),
        (Interface("Wi-Fi", "10.0.0.7", True), "10.0.0.7         Wi-Fi (o da rede local)"),
        (Interface("v0", "172.17.0.1", False), "172.17.0.1       v0 (outra rede ou adaptador "),
    ],
)
def test_address_tells_what_it_is_for(interface, text):
    assert str(interface).startswith(text)


CABLE = """
ip link add cabo type veth peer name tomada
ip link set tomada up; ip link set cabo up
ip addr add 192.168.7.5/24 dev cabo
"""
SWITCH = CABLE.replace("192.168.7.5/24", "169.254.10.2/16")  # ninguém dá endereços: RFC 3927
DOCKER = """
ip link add docker0 type bridge; ip link set docker0 up
ip addr add 172.17.0.1/16 dev docker0
"""
PROGRAM = """'
from echo_lib.network import addresses, lan_address
print(lan_address(), [i.address for i in addresses()])
'"""


@pytest.mark.skipif(sys.platform != "linux", reason="usa espaços de rede do Linux")
@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        ("", "None ['127.0.0.1']\n"),
        (CABLE, "192.168.7.5 ['192.168.7.5', '127.0.0.1']\n"),  # um laboratório isolado
        (DOCKER, "None ['172.17.0.1', '127.0.0.1']\n"),  # só alcança o que roda aqui dentro
        (DOCKER + CABLE, "192.168.7.5 ['192.168.7.5', '172.17.0.1', '127.0.0.1']\n"),
        (SWITCH, "169.254.10.2 ['169.254.10.2', '127.0.0.1']\n"),  # só um cabo e um switch
        (
            SWITCH + CABLE.splitlines()[-1],
            "192.168.7.5 ['192.168.7.5', '169.254.10.2', '127.0.0.1']\n",
        ),
    ],
)
def test_machine_without_route_to_the_world(setup, expected):
    need("ip")
    shell = f"ip link set lo up\n{setup}\nexec {shlex.quote(sys.executable)} -c {PROGRAM}"
    command = [*new_network(), "sh", "-ec", shell]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.stdout, done.stderr) == (expected, "")


RESERVED = """'
from echo_lib import EchoServer
from echo_lib.network import next_free_port
print(next_free_port())
try:
    EchoServer().start()
except PermissionError as error:
    print(*error.__notes__)
'"""


@pytest.mark.skipif(sys.platform != "linux", reason="usa espaços de rede do Linux")
@pytest.mark.parametrize(("first", "free"), [(61_900, "61900"), (65_000, r"65\d+")])
def test_block_of_reserved_ports_gives_way_to_one_that_is_not(first, free):
    """Como os que o Hyper-V e o WSL reservam no Windows, que dão o mesmo PermissionError."""
    lock = f"""ip link set lo up; cd /proc/sys/net/ipv4
echo 65000 65535 > ip_local_port_range; echo {first} > ip_unprivileged_port_start; cd /
"""
    drop = f"{need('setpriv')} --bounding-set=-net_bind_service --inh-caps=-net_bind_service"
    shell = f"{lock}exec {drop} {shlex.quote(sys.executable)} -c {RESERVED}"
    command = [*new_network(), "sh", "-ec", shell]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    way_out = rf"Porta livre mais próxima: {free} \(port={free}\)"
    assert re.search(rf"^{free}\n.*{way_out}", done.stdout, re.DOTALL), done
