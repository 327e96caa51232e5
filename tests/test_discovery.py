"""A descoberta, em 127.0.0.1: quem se anuncia é achado, e um anúncio falso não esconde ninguém."""

import logging
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from itertools import cycle, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zeroconf import DNSAddress, DNSOutgoing, DNSPointer, DNSService, DNSText, Zeroconf

from echo_lib.network import Announcement, discover
from echo_lib.network.discovery import MOST_FOUND, SERVICE
from tests.common import HERE, TIMEOUT
from tests.conftest import own_network

HOME = [HERE]  # nenhum pacote sai desta máquina
SECONDS = 2.0  # o mesmo registro só é repetido depois de 1 s (RFC 6762, seção 6)
PAUSE = 0.01  # segundos entre duas rajadas de anúncios falsos
BURST = 20  # datagramas; com mais de 300, o sistema descarta também os verdadeiros
GROUP = ("224.0.0.251", 5353)
HOSTILE = [
    "Eco da Ana",
    "Eco da Ana",
    "sala 2. lab. 3",
    "Profª Zoë 👩‍🏫",
    "\u202eodátrevni\u202c שרה",
    "\x1b[2J\x1b]0;título\x07\n\0\x9b",
    "<img src=x onerror=alert(1)>",
    "ç" * 200,
    "",
]


def announce(stack, port, name):
    announcement = Announcement(port, name, HOME)
    stack.callback(announcement.close)
    return announcement


def await_names(*announcements):
    """Espera que fiquem no ar. Sem procurar: a procura ocupa a mesma porta, e a máquina."""
    never = threading.Event()
    while any(announcement.name is None for announcement in announcements):
        never.wait(PAUSE)


def found_ports(seconds=SECONDS):
    return [found.address[1] for found in discover(seconds, HOME)]


def safe(name):
    return name and len(name) <= 40 and name.replace("\u200d", "").isprintable()


@pytest.fixture(scope="module")
def true_server():
    """O anúncio verdadeiro, que os falsos tentam esconder."""
    with ExitStack() as stack:
        announcement = announce(stack, 61840, "Eco da professora")
        await_names(announcement)
        yield (announcement.name, (HERE, 61840))


def test_announced_servers_are_found_under_safe_names_until_they_close(capfd):
    before = threading.active_count()
    with ExitStack() as stack:
        servers = []
        for n, name in enumerate(HOSTILE):
            servers.append(announce(stack, 61901 + n, name))
            if n < 2:  # nove ao mesmo tempo respondem tarde, e dois iguais não saberiam um do outro
                await_names(*servers)
        await_names(*servers)
        everyone = {(HERE, 61901 + n) for n in range(9)}
        found = discover(SECONDS, HOME)
        ours = [server for server in found if server.address[1] > 61900]
        named = [server.name for server in servers]
        assert {server.address for server in ours} == everyone, named
        assert found == sorted(found) and all(safe(server.name) for server in ours)
        names = [server.name for server in sorted(ours, key=lambda server: server.address)]
        assert sorted(names[:2]) == ["Eco da Ana", "Eco da Ana-2"]
        assert names[2:] == [
            "sala 2  lab  3",
            "Profª Zoë 👩‍🏫",
            r"\u202eodátrevni\u202c שרה",
            r"\x1b[2J\x1b]0;título\x07\n\x00\x9b",
            "<img src=x onerror=alert(1)>",
            "ç" * 29,
            "Eco",
        ]
        servers[0].close()
        servers[0].close()
        assert servers[0].name is None and 61901 not in found_ports()
    assert threading.active_count() == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("interfaces", [HOME, HERE])  # um só pode vir sem a lista
def test_announcement_closed_before_it_is_on_the_air_leaves_nothing(capfd, interfaces):
    before = threading.active_count()
    announcement = Announcement(61900, "Eco apressado", interfaces)
    announcement.close()
    assert announcement.interfaces == HOME
    assert threading.active_count() == before and 61900 not in found_ports(0.3)
    assert capfd.readouterr() == ("", "")


def test_announcement_that_failed_is_tried_again(monkeypatch):
    register, calls = Zeroconf.register_service, []

    def fails_once(self, info, **options):
        calls.append(info)
        if len(calls) == 1:
            raise OSError("a rede caiu")
        return register(self, info, **options)

    monkeypatch.setattr(Zeroconf, "register_service", fails_once)
    monkeypatch.setattr("echo_lib.network.discovery._REFRESH", 0.05)
    with ExitStack() as stack:
        await_names(announce(stack, 61900, "Eco teimoso"))
    assert len(calls) == 2


BUSY_PORT = """
import socket
import threading
from echo_lib.network import Announcement, discovery
discovery._REFRESH = 0.05
opened, open_one = [], discovery._open
def counting(interfaces):
    opened.append(open_one(interfaces))
    if len(opened) == 2:
        owner.close()
    return opened[-1]
discovery._open = counting
owner = socket.socket(type=socket.SOCK_DGRAM)
owner.bind(("", 5353))
announcement = Announcement(61900, "Eco paciente", ["127.0.0.1"])
while announcement.name is None:
    threading.Event().wait(0.01)
announcement.close()
print(opened[:2])
"""


def test_announcement_waits_for_who_holds_the_port_of_mdns():
    command = [*own_network(), sys.executable, "-c", BUSY_PORT]
    assert subprocess.check_output(command, timeout=TIMEOUT) == b"[None, None]\n"


def test_without_an_interface_nobody_announces_and_nobody_is_found():
    announcement = Announcement(61900, "Eco", [])
    assert discover(0.1, []) == [] and announcement.name is None
    announcement.close()


def test_each_search_leaves_the_log_of_zeroconf_as_it_was():
    handlers = logging.getLogger("zeroconf").handlers
    before = len(handlers)
    for _ in range(2):
        discover(0.05, HOME)
    assert len(handlers) == before


# --- Anúncios falsos ---


def packets(records):
    """Os pacotes mDNS que trazem estes registros, de quarenta em quarenta."""
    for start in range(0, len(records), 40):
        packet = DNSOutgoing(0x8400)  # uma resposta, com autoridade (RFC 6762, seção 18)
        for record in records[start : start + 40]:
            packet.add_answer_at_time(record, 0)
        yield from packet.packets()


def forged(name, port=7, address="192.168.0.66", ttl=120):
    """Um servidor que não existe: PTR, SRV, TXT e A."""
    full, host = f"{name}.{SERVICE}", f"falso-{address}-{port}.local."
    return [
        DNSPointer(SERVICE, 12, 1, ttl, full),
        DNSService(full, 33, 0x8001, ttl, 0, 0, port, host),
        DNSText(full, 16, 0x8001, ttl, b"\0"),
        DNSAddress(host, 1, 0x8001, ttl, socket.inet_aton(address)),
    ]


BAD_ADDRESSES = ["0.0.0.0", "8.8.8.8", "224.0.0.251", "255.255.255.255", "240.0.0.1"]
HEADER = bytes.fromhex("000084000000000100000000")  # resposta com um registro
MALFORMED = [
    b"",
    HEADER,
    HEADER + b"\xc0\x0c\x00\x0c\x00\x01\0\0\0\x78\0\x02\xc0\x0c",  # um nome que aponta para si
    HEADER + b"\x05_echo\x04_tcp\x05local\0\0\x0c\0\x01\0\0\0\x78\xff\xff\x3f",  # e falta o resto
    HEADER + b"\x3f" + b"\xff" * 63 + b"\0\0\x0c\0\x01\0\0\0\x78\0\x02\xc0\x0c",
]
FLOODS = {
    "sem onde conectar": [
        *(forged(f"porta {n}", port=0) for n in range(200)),
        *(forged(f"longe {n}", 7, BAD_ADDRESSES[n % 5]) for n in range(200)),
    ],
    "pela metade": [
        *(forged(f"só o nome {n}")[:1] for n in range(2000)),
        *(forged(f"sem endereço {n}", 7 + n)[:3] for n in range(200)),
    ],
    "nomes hostis": [forged(f"{name[:20]}!", 7 + n) for n, name in enumerate(HOSTILE)],
    "adeus em nome de outro": [forged("Eco da professora", 61840, HERE, ttl=0)],
}


def discover_amid(datagrams):
    """O que se acha enquanto alguém repete estes datagramas, sem parar."""
    with ThreadPoolExecutor() as pool, socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HERE))
        found = pool.submit(discover, SECONDS, HOME)
        endless = cycle(datagrams)
        while not wait([found], PAUSE).done:
            for datagram in islice(endless, BURST):
                sock.sendto(datagram, GROUP)
        return found.result(TIMEOUT)


@pytest.mark.parametrize("name", FLOODS)
def test_forged_announcement_does_not_hide_the_true_server(name, true_server, capfd):
    records = [record for forgery in FLOODS[name] for record in forgery]
    found = discover_amid([*packets(records), *MALFORMED])
    assert true_server in found and len(found) <= MOST_FOUND
    assert all(safe(server.name) for server in found)
    assert not {server.address[0] for server in found} & set(BAD_ADDRESSES)
    assert capfd.readouterr() == ("", "")


def test_machines_announced_hundreds_of_times_do_not_hide_the_others(true_server):
    found = discover_amid(list(packets(plausible(addresses=40))))
    assert true_server in found and len(found) == MOST_FOUND


def test_forgeries_in_the_name_of_a_whole_network_are_still_bounded():
    assert len(discover_amid(list(packets(plausible(addresses=250))))) == MOST_FOUND


def plausible(addresses):
    """Quatrocentos servidores falsos, com nomes que ficam antes dos outros."""
    servers = [forged(f" {n}", 7 + n, f"192.168.0.{n % addresses + 1}") for n in range(400)]
    return [record for server in servers for record in server]


def test_random_bytes_disturb_nobody(true_server, capfd):
    sent = [b"\0"]

    @settings(derandomize=True, max_examples=300)
    @given(st.binary(max_size=300), st.booleans(), st.integers(0, 200))
    def spoil(tail, header, place):
        good = next(packets(forged("quase", 7)))
        sent.append(HEADER + tail if header else good[:place] + tail + good[place + len(tail) :])

    spoil()
    found = discover_amid(sent)
    assert true_server in found and all(safe(server.name) for server in found)
    assert capfd.readouterr() == ("", "")
