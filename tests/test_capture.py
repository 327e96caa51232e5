"""De uma captura a segmentos: os arquivos da lição, e os que se montam aqui, um caso de cada."""

import socket
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree

import pytest

from echo_lib import SequenceDiagram, Trace, capture
from echo_lib.panels import still
from echo_lib.panels.segments import SegmentScene
from tests.common import HERE, ROOT, TIMEOUT
from tests.conftest import need, need_root, own_network

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:scapy")
SAVED = ROOT / "notebooks" / "capturas"
CLIENT, SERVER = ("192.168.1.30", 50000), ("192.168.1.20", 61840)
HOSTILE = "<img src=x onerror=alert(1)></script>\u202e\x1b[31m"
ISN = {CLIENT: 1000, SERVER: 7000}


def packet(source, flags, seq, ack=0, data=b"", time=0.0, mark=0, **fields):
    """Um quadro, com números relativos; `mark` é a identificação do IP."""
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Ether

    target = SERVER if source == CLIENT else CLIENT
    ip = IP(src=source[0], dst=target[0], id=mark)
    numbers = {"seq": (ISN[source] + seq) % 2**32, "ack": (ISN[target] + ack) % 2**32}
    tcp = TCP(sport=source[1], dport=target[1], flags=flags, **numbers, **fields)
    built = Ether(bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / ip / tcp / data))
    built.time = time
    return built


def read(folder, client, server=None):
    """A captura que se lê destes quadros, de uma ponta ou das duas."""
    from scapy.utils import wrpcap

    ends = {"cliente": client, "servidor": server}
    for name, packets in ends.items():
        if packets is not None:
            wrpcap(str(folder / f"{name}.pcap"), packets)
    return capture.read(folder if server is not None else folder / "cliente.pcap")


def shown(found):
    return [f"{s.sender[0]} {s}" + (f" ({s.notes})" if s.notes else "") for s in found]


def test_a_conversation_opens_with_three_counts_bytes_and_closes_both_ways():
    assert shown(capture.read(SAVED / "conversa")) == [
        "c SYN seq=0",
        "s SYN + ACK seq=0 ack=1",
        "c ACK ack=1",
        "c 4 bytes seq=1",
        "s ACK ack=5",
        "s 4 bytes seq=1",
        "c ACK ack=5",
        "c 5 bytes seq=5",
        "s ACK ack=10",
        "s 5 bytes seq=5",
        "c ACK ack=10",
        "c FIN seq=10",
        "s ACK ack=11",
        "s FIN seq=10",
        "c ACK ack=11",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("perda", ["c 4 bytes seq=3 (não chegou)", "c 4 bytes seq=3, de novo (retransmissão)"]),
        ("syn_perdido", ["c SYN seq=0 (não chegou)", "c SYN seq=0, de novo (retransmissão)"]),
        ("ack_perdido", ["s ACK ack=3 (não chegou)", "c 2 bytes seq=1, de novo (retransmissão)"]),
        (
            "ordem",
            ["c 100 bytes seq=101 (não chegou)", "c 100 bytes seq=101, de novo (retransmissão)"],
        ),
        (
            "dano",
            [
                "c 4 bytes seq=3 (chegou estragado, descartado)",
                "c 4 bytes seq=3, de novo (retransmissão)",
            ],
        ),
        ("recusada", []),
        ("servidor_fecha", []),
    ],
)
def test_each_recording_shows_what_went_wrong_and_only_that(name, expected):
    assert [line for line in shown(capture.read(SAVED / name)) if "(" in line] == expected


@pytest.mark.parametrize("side", capture.SIDES)
def test_one_end_alone_does_not_know_what_was_lost(side):
    found = capture.read(SAVED / "perda" / f"{side}.pcap")
    assert not any(s.lost or s.damaged or s.arrival for s in found)
    assert [s.sender for s in found][:3] == ["cliente", "servidor", "cliente"]
    assert sum(s.again for s in found) == (side == "cliente")  # o servidor só viu o segundo


def test_every_checksum_of_the_recordings_is_right_but_the_spoiled_one():
    sound = {
        (folder.name, side, place): found.sound
        for folder in SAVED.iterdir()
        for side in capture.SIDES
        for place, found in enumerate(capture._load(folder / f"{side}.pcap"))
    }
    assert [key for key, holds in sound.items() if not holds] == [("dano", "servidor", 7)]


def test_of_two_equal_answers_the_one_that_arrived_is_the_second(tmp_path):
    sent = [packet(SERVER, "SA", 0, 1, time=t) for t in (0.1, 1.1)]
    came = [packet(SERVER, "SA", 0, 1, time=1.2)]
    syn = [packet(CLIENT, "S", 0)]
    _, first, second = read(tmp_path, syn + came, syn + sent)
    assert (first.lost, second.lost, second.again) == (True, False, True)
    assert second.arrival == pytest.approx(1.2)


def test_a_segment_that_is_partly_new_is_a_retransmission_too(tmp_path):
    pieces = [(1, b"abcd"), (3, b"cdef"), (7, b"gh"), (1, b"ab"), (5, b"ef")]
    found = read(tmp_path, [packet(CLIENT, "PA", seq, 1, data) for seq, data in pieces])
    assert [s.again for s in found] == [False, True, False, True, True]


def test_one_that_came_out_of_order_is_not_a_retransmission(tmp_path):
    found = read(tmp_path, [packet(CLIENT, "A", seq, 1, b"xx") for seq in (1, 5, 3, 7)])
    assert not any(s.again for s in found)


def test_numbers_go_on_after_the_largest_one(tmp_path, monkeypatch):
    monkeypatch.setitem(ISN, CLIENT, 2**32 - 3)
    found = read(
        tmp_path,
        [
            packet(CLIENT, "S", 0),
            packet(CLIENT, "PA", 1, 1, b"abcd"),
            packet(SERVER, "A", 1, 5),
            packet(CLIENT, "PA", 5, 1, b"e"),
        ],
    )
    assert [(s.seq, s.ack, s.again) for s in found][1:] == [
        (1, 1, False),
        (1, 5, False),
        (5, 1, False),
    ]


def test_a_capture_that_began_late_counts_from_one(tmp_path):
    found = read(tmp_path, [packet(CLIENT, "PA", 500, 300, b"oi"), packet(SERVER, "A", 300, 502)])
    assert shown(found) == ["c 2 bytes seq=1", "s ACK ack=3"]


@pytest.mark.parametrize(
    ("scales", "windows"),
    [
        ((3, 10), [500, 500, 500 * 8, 500 * 1024]),
        ((0, 99), [500, 500, 500, 500 * 2**14]),
        ((3, None), [500, 500, 500, 500]),  # só vale se os dois a disserem
        ((None, None), [500, 500, 500, 500]),
        ((3, b"\x01\x02"), [500, 500, 500, 500]),
    ],
)
def test_window_is_in_bytes_in_the_unit_agreed_by_the_two_syn(tmp_path, scales, windows):
    mine, other = ([] if scale is None else [("WScale", scale)] for scale in scales)
    talk = [
        packet(CLIENT, "S", 0, window=500, options=mine),
        packet(SERVER, "SA", 0, 1, window=500, options=other),
        packet(CLIENT, "A", 1, 1, window=500),
        packet(SERVER, "A", 1, 1, window=500),
    ]
    for time, each in enumerate(talk):
        each.time = time
    assert [segment.window for segment in read(tmp_path, talk)] == windows
    assert [segment.window for segment in read(tmp_path, talk[2:])] == [None, None]


def test_windows_of_the_recordings_hold_what_is_sent_without_an_answer():
    found = capture.read(SAVED / "perda")
    assert min(segment.window for segment in found if "RST" not in segment.flags) > 500


@pytest.mark.parametrize("syn", ["S", "SEC"])  # com ECE e CWR, o pedido oferece o ECN
def test_the_same_ports_used_again_are_another_connection(tmp_path, monkeypatch, syn):
    first = [packet(CLIENT, syn, 0), packet(CLIENT, "FA", 1, 1)]
    monkeypatch.setitem(ISN, CLIENT, 999_000)
    found = read(tmp_path, [*first, packet(CLIENT, syn, 0), packet(CLIENT, "A", 1, 1)])
    assert [(s.connection, s.seq) for s in found] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert not any(s.again for s in found)
    names = [line["name"] for line in SegmentScene().add(found)["lines"]]
    assert names == ["cliente", "servidor", "cliente 2", "servidor 2"]


def test_segment_still_to_be_cut_by_the_card_is_read(tmp_path):
    """Com offload, o sistema deixa o tamanho do IP em zero, e a soma, para a placa."""
    frame = packet(CLIENT, "PA", 1, 1, b"longo" * 1000)
    frame["IP"].len = 0
    frame["TCP"].chksum = 0xBEEF
    (segment,) = read(tmp_path, [frame], [frame])
    assert segment.data == b"longo" * 1000 and not segment.damaged


def test_padding_is_not_data_and_what_is_not_tcp_is_left_out(tmp_path):
    from scapy.layers.inet import ICMP, IP, UDP
    from scapy.layers.l2 import ARP, Ether
    from scapy.packet import Padding

    others = [Ether() / ARP(), Ether() / IP() / UDP() / b"x", Ether() / IP() / ICMP()]
    ack = packet(CLIENT, "A", 1, 1) / Padding(b"\0" * 6)
    (found,) = read(tmp_path, [*others, ack])
    assert (found.flags, found.data) == (("ACK",), b"")


def test_what_wireshark_saves_is_read_too(tmp_path):
    from scapy.utils import wrpcapng

    wrpcapng(str(tmp_path / "x.pcapng"), [packet(CLIENT, "S", 0)])
    assert shown(capture.read(tmp_path / "x.pcapng")) == ["c SYN seq=0"]


def test_two_ends_of_different_conversations_are_refused(tmp_path):
    other = packet(CLIENT, "S", 0)
    other["TCP"].sport += 1
    with pytest.raises(capture.CaptureError, match="duas capturas da mesma conversa"):
        read(tmp_path, [packet(CLIENT, "S", 0)], [other])
    assert len(read(tmp_path, [packet(CLIENT, "S", 0)], [])) == 1  # nada chegou ao outro lado


def test_what_is_beyond_the_limit_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(capture, "MOST", 2)
    frames = [packet(CLIENT, "PA", seq, 1, b"x") for seq in (1, 2, 3)]
    assert len(read(tmp_path, frames[:2])) == 2
    with pytest.warns(UserWarning, match="só se leem os 2 primeiros pacotes, e há mais"):
        assert len(read(tmp_path, frames)) == 2


def test_reset_and_the_end_with_data_have_their_names(tmp_path):
    frames = [packet(CLIENT, "R", 1), packet(CLIENT, "FPA", 1, 1, b"x"), packet(SERVER, "RA", 0, 1)]
    assert shown(read(tmp_path, frames)) == ["c RST", "c 1 byte + FIN seq=1", "s RST"]


def test_a_file_that_is_not_there_or_is_something_else_is_told(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"esperava uma captura em .*esse arquivo não"):
        capture.read(tmp_path / "nada.pcap")
    with pytest.raises(FileNotFoundError, match=r"cliente\.pcap"):
        capture.read(tmp_path)
    monkeypatch.chdir(SAVED.parent)
    with pytest.raises(FileNotFoundError, match=r"Na pasta capturas há: ack_perdido, conversa, "):
        capture.read("capturas/conversas")
    for content in (b"", b"texto qualquer, nada de captura", b"\xd4\xc3\xb2\xa1\x02\x00"):
        (tmp_path / "x.pcap").write_bytes(content)
        with pytest.raises(capture.CaptureError, match=r"esperava uma captura .*o scapy não a"):
            capture.read(tmp_path / "x.pcap")


def test_a_capture_cut_short_gives_what_it_has(tmp_path):
    whole = (SAVED / "conversa" / "cliente.pcap").read_bytes()
    (tmp_path / "x.pcap").write_bytes(whole[:-30])
    assert len(capture.read(tmp_path / "x.pcap")) in (14, 15)


def test_a_piece_of_a_capture_keeps_the_places():
    found = capture.read(SAVED / "conversa")[3:5]
    assert [line.split()[0] for line in str(found).splitlines()] == ["3", "4"]
    assert len(found.events()) == 2 and found.events(after=4)[0].number == 5
    assert capture.Capture().events() == []


# --- o desenho ---


def drawn(found):
    root = ElementTree.fromstring(still.svg(found.events()))
    return [element.text for element in root.iter() if element.tag.endswith("text")]


def test_the_still_drawing_tells_in_words_what_was_lost_and_sent_again():
    texts = drawn(capture.read(SAVED / "perda"))
    for text in (
        "cliente",
        "servidor",
        "192.168.1.20:61840",
        "SYN + ACK seq=0 ack=1",
        "4 bytes “dois” seq=3 ✗",
        "4 bytes “dois” seq=3, de novo",
    ):
        assert text in texts
    assert any("✗ [7] não chegou; aos" in text for text in texts)
    assert any("retransmissão" in text for text in texts)


def test_a_lost_segment_stops_halfway():
    root = ElementTree.fromstring(still.svg(capture.read(SAVED / "syn_perdido").events()))
    paths = [element.get("d") for element in root.iter() if element.tag.endswith("path")]
    ends = [path.split("L")[1].split()[0] for path in paths if path.count(" ") == 2 and "L" in path]
    assert ends[:2] == ["600", "730"]  # o primeiro SYN, no meio; o segundo, até o servidor


def test_hostile_data_is_text(tmp_path):
    frames = [packet(CLIENT, "PA", 1, 1, HOSTILE.encode())]
    diagram = SequenceDiagram(read(tmp_path, frames))
    svg = diagram.svg()
    diagram.close()
    assert "<img" not in svg and not any(c in svg for c in "\u202e\x1b")


def test_a_diagram_of_a_capture_has_its_drawing_and_can_be_filtered_by_peer():
    found = capture.read(SAVED / "conversa")
    for peer, count in ((None, 15), ("192.168.1.20", 15), (CLIENT, 15), ("10.0.0.1", 0)):
        diagram = SequenceDiagram(found, peer=peer)
        assert f"{count} segmentos" in diagram.svg()
        diagram.close()


# --- ao vivo ---

LIVE = """
import socket
from echo_lib import capture
with socket.create_server(("127.0.0.1", 0)) as s:
    port = s.getsockname()[1]
    try:
        with capture.live(port) as found:
            for _ in range(2):
                with socket.create_connection(("127.0.0.1", port)) as client:
                    conn, _ = s.accept()
                    with conn:
                        client.sendall("olá".encode())
                        conn.recv(9)
        print(found[0], *(s for s in found if s.data), sep=chr(10))
        print(max(s.connection for s in found), any(s.again for s in found))
    except capture.CaptureError as error:
        print(error)
"""


def run_live(*before):
    done = subprocess.run(
        [*before, sys.executable, "-W", "error", "-c", LIVE],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_live_capture_of_what_is_no_port_is_refused():
    with pytest.raises(ValueError, match=r"esperava uma porta, .*; recebi 'sessenta'"):
        capture.live("sessenta").__enter__()


def test_live_capture_sees_each_segment_once():
    need_root()
    # Numa rede só sua: a de todos pode ter, noutro endereço, outra conversa com o mesmo número.
    assert run_live(*own_network()) == "SYN seq=0\n4 bytes seq=1\n4 bytes seq=1\n2 False\n"


def test_goodbye_of_the_other_side_is_captured_even_after_the_with():
    need_root()
    with socket.create_server((HERE, 0)) as listener:
        with capture.live(listener.getsockname()[1]) as found:
            client = socket.create_connection(listener.getsockname(), TIMEOUT)
            conn, address = listener.accept()
            client.close()
            late = threading.Timer(0.2, conn.close)
            late.start()
        late.join(TIMEOUT)
    ours = [s for s in found if address in (s.source, s.target)]
    assert [s.sender for s in ours if "FIN" in s.flags] == ["cliente", "servidor"]
    assert (ours[-1].sender, ours[-1].flags) == ("cliente", ("ACK",))


def test_a_live_capture_inside_a_trace_leaves_nothing_of_its_own_there():
    need_root()
    with Trace() as trace, capture.live(1):
        pass
    assert trace.events() == []


def test_a_packet_stamped_when_it_was_read_keeps_its_place():
    """As primeiras horas, numa máquina ocupada, são de depois: o SYN viraria outra conexão."""
    packets = capture._load(SAVED / "conversa" / "cliente.pcap")
    late = [packets[0]._replace(time=packets[4].time), *packets[1:]]
    segments = [*capture._segments(capture._as_seen(late))]
    assert [(s.flags, s.connection) for s in segments] == [
        (s.flags, 1) for s in capture._segments(packets)
    ]
    assert segments == sorted(segments, key=lambda segment: segment.time)


FLOOD = """
import socket, subprocess, sys, threading
with socket.create_server(("127.0.0.1", 0)) as s:
    client = socket.create_connection(s.getsockname())
    conn, _ = s.accept()
full = threading.Event()
def fill():
    while True:
        conn.sendall(bytes(1 << 20))
        full.set()
def drain():
    while True:
        client.recv(65536)
for work in (fill, drain):
    threading.Thread(target=work, daemon=True).start()
full.wait()
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""


def test_what_else_passes_on_this_machine_does_not_push_the_segments_out():
    need_root()
    beside = (*own_network(), sys.executable, "-c", FLOOD)
    assert run_live(*beside) == "SYN seq=0\n4 bytes seq=1\n4 bytes seq=1\n2 False\n"


def test_without_permission_the_answer_says_what_is_missing_and_what_to_do():
    need_root()
    lines = run_live(need("setpriv"), "--bounding-set=-net_raw", "--inh-caps=-net_raw")
    happened, cause, remedy = lines.splitlines()
    assert happened.startswith("O que aconteceu: esta máquina não deixa este programa capturar")
    assert "falta ser root, ou ter a permissão CAP_NET_RAW" in cause
    assert "use as capturas gravadas, como capture.read('capturas/conversa')" in remedy


@pytest.mark.parametrize(
    ("system", "needed"),
    [("darwin", "sudo"), ("win32", "Npcap"), ("plan9", "permissão do sistema")],
)
def test_each_system_says_what_it_needs(monkeypatch, system, needed):
    monkeypatch.setattr(sys, "platform", system)
    assert needed in capture._refused(OSError("x\x1b[31m"))
    assert "\x1b" not in capture._refused(OSError("x\x1b[31m"))


def test_what_happens_in_the_cell_is_not_hidden_and_the_capture_ends():
    need_root()
    with (
        pytest.raises(ZeroDivisionError),
        socket.create_server((HERE, 0)) as listener,
        capture.live(listener.getsockname()[1]),
    ):
        raise ZeroDivisionError


def test_the_library_does_not_load_scapy_until_it_is_used():
    code = "import sys, echo_lib, echo_lib.capture, echo_lib.panels; print('scapy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "False\n"
