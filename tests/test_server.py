"""EchoServer: cada cliente recebe os seus bytes, e nenhum atrapalha os outros nem o kernel."""

import errno
import ipaddress
import re
import select
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from itertools import pairwise

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echo_lib import EchoServer, Trace, network
from echo_lib.server import _refuse_shared
from tests.common import HERE, TIMEOUT, receive, reset

PATTERN = bytes(range(251))  # comprimento primo: um pedaço fora do lugar aparece
not_on_macos = pytest.mark.skipif(sys.platform == "darwin", reason="lá só há o 127.0.0.1")
posix = pytest.mark.skipif(sys.platform == "win32", reason="usa chamadas de Unix")


@pytest.fixture
def server():
    with EchoServer(port=0) as server:
        yield server


@pytest.fixture
def good(server):
    """Um cliente que só quer conversar."""
    with join(server) as good:
        yield good


def join(server, source=HERE):
    return socket.create_connection(server.address, TIMEOUT, (source, 0))


def echo(sock, data=b"eco"):
    sock.sendall(data)
    return receive(sock, len(data))


def settle(sock):
    """Duas voltas: na segunda, o servidor já tratou tudo o que chegou antes da primeira."""
    assert echo(sock) == echo(sock) == b"eco"


@settings(derandomize=True, max_examples=60)
@given(st.lists(st.binary(max_size=3000), max_size=8), st.integers(1, 5000))
def test_client_gets_back_its_own_bytes_until_it_half_closes(chunks, buffer_size):
    with EchoServer(port=0, buffer_size=buffer_size) as server, join(server) as client:
        for chunk in chunks:
            client.sendall(chunk)
        client.shutdown(socket.SHUT_WR)
        assert receive(client) == b"".join(chunks)


STEP = st.tuples(st.integers(0, 3), st.sampled_from(["envia", "cai", "termina"]), st.binary())


@settings(derandomize=True, max_examples=60)
@given(st.lists(STEP, max_size=25))
def test_whatever_some_clients_do_each_gets_only_its_own_bytes(steps):
    with EchoServer(port=0) as server, join(server) as good:
        clients, owed = {}, {}
        for who, action, data in steps:
            client = clients.get(who) or clients.setdefault(who, join(server))
            client.sendall(data)
            owed[who] = owed.get(who, b"") + data
            if action == "cai":
                reset(clients.pop(who))
                del owed[who]
            elif action == "termina":
                client.shutdown(socket.SHUT_WR)
                assert receive(client) == owed.pop(who)
                clients.pop(who).close()
            assert echo(good, b"bom" + data) == b"bom" + data  # ninguém espera pelos outros
        for who, client in clients.items():
            assert receive(client, len(owed[who])) == owed[who]
            client.close()
        settle(good)
        assert [client.address for client in server.clients] == [good.getsockname()]


@posix
def test_thousand_clients_at_once_and_not_one_more(server):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    clients = [join(server) for _ in range(1000)]
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
    for number, client in enumerate(clients):
        assert receive(client, len(str(number))) == b"%d" % number
    assert len(server.clients) == 1000
    with join(server) as late:
        assert receive(late) == b""
    for client in clients:
        client.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("ending", ["lê tudo", "cai", "stop"])
def test_client_that_never_reads_is_paused_and_slows_nobody(server, good, ending):
    with join(server) as deaf:
        deaf.setblocking(False)
        memory = psutil.Process().memory_info
        sent, stuck, before = 0, 0, memory().rss
        while stuck < 100:  # cem ecos de outro cliente sem que este conseguisse enviar
            try:
                start = sent % len(PATTERN)
                sent += deaf.send((PATTERN * 300)[start : start + 65536])
                stuck = 0
            except BlockingIOError:
                stuck += 1
            assert echo(good) == b"eco"
        assert max(len(connection.owed) for connection in server._connections.values()) <= 1024
        assert sent > 1 << 17 and memory().rss - before < 8 << 20
        if ending == "lê tudo":
            deaf.settimeout(TIMEOUT)
            deaf.shutdown(socket.SHUT_WR)
            assert receive(deaf) == (PATTERN * (sent // len(PATTERN) + 1))[:sent]
        elif ending == "cai":
            reset(deaf)
            settle(good)
            assert len(server.clients) == 1
        else:
            server.stop()
            assert not server.running


@pytest.mark.parametrize("before", [b"", b"x" * 50_000])
def test_abrupt_reset_disturbs_nobody(server, good, before):
    for _ in range(50):
        bad = join(server)
        bad.sendall(before)
        reset(bad)
        assert echo(good) == b"eco"
    settle(good)
    assert [client.address for client in server.clients] == [good.getsockname()]


def test_silent_client_is_closed_and_the_others_stay():
    server = EchoServer(port=0, idle_timeout=0.5)
    with server, join(server) as silent, join(server) as active:
        while not select.select([silent], [], [], 0)[0]:
            assert echo(active) == b"eco"
        assert receive(silent) == b"" and echo(active) == b"eco"


def test_client_over_the_limit_is_closed_until_there_is_room():
    with EchoServer(port=0, max_clients=2) as server, join(server) as one, join(server) as two:
        assert echo(one) == echo(two) == b"eco"
        with join(server) as third:
            assert receive(third) == b""
        one.close()
        settle(two)
        with join(server) as fourth:
            assert echo(fourth) == b"eco"


@pytest.mark.skipif(sys.platform != "linux", reason="só no Linux todo 127.x.x.x é desta máquina")
def test_one_machine_does_not_take_the_whole_server():
    server = EchoServer(port=0, max_clients_per_address=2)
    with server, join(server) as one, join(server) as two:
        assert echo(one) == echo(two) == b"eco"
        with join(server) as third, join(server, "127.0.0.2") as neighbour:
            assert receive(third) == b"" and echo(neighbour) == b"eco"


def test_default_limit_per_address_protects_a_server_the_network_sees():
    assert EchoServer("0.0.0.0").max_clients_per_address == 32
    assert EchoServer(" localhost ", max_clients=7).max_clients_per_address == 7


def test_a_class_on_one_shared_machine_fits_in_a_server_the_network_sees():
    """Num JupyterHub, os alunos todos vêm de 127.0.0.1 ou do endereço da própria máquina."""
    with EchoServer("0.0.0.0", 0) as server, ExitStack() as leaving:
        class_ = [leaving.enter_context(join(server)) for _ in range(40)]
        assert {echo(student) for student in class_} == {b"eco"}


@pytest.mark.parametrize(("old", "new"), [(HERE, HERE), (HERE, "localhost"), ("0.0.0.0", HERE)])
def test_starting_on_the_same_address_replaces_the_older_server(old, new):
    with EchoServer(old, 0) as older, socket.create_connection((HERE, older.address[1])) as client:
        assert echo(client) == b"eco"
        with EchoServer(new, older.address[1]) as newer, join(newer) as other:
            assert not older.running and newer.running
            older.stop()
            assert receive(client) == b"" and echo(other) == b"eco"


HOLDER = """
import socket
with socket.create_server(("127.0.0.1", 0)) as s:
    print(s.getsockname()[1], flush=True)
    input()
"""


def child(program):
    """Outro processo Python, que espera um Enter para terminar."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([sys.executable, "-c", program], text=True, **pipes)


def seen_while_200_come_and_go(server, look):
    """O que `look` devolveu, chamada sem parar enquanto 200 clientes entram, falam e saem."""
    seen, over = [], threading.Event()

    def watch():
        while not over.is_set():
            seen.append(look())

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(200):
        with join(server) as client:
            echo(client)
    over.set()
    watcher.join(TIMEOUT)
    return seen


def test_totals_count_each_client_once_while_it_leaves(server):
    seen = seen_while_200_come_and_go(server, lambda: server.totals)
    assert not [pair for pair in pairwise(seen) if pair[0] > pair[1]]  # duas vezes: sobe e volta
    assert server.totals == (200, 600)


def test_snapshot_never_sees_a_client_between_the_connections_and_the_log(server):
    def missing():
        clients, log = server.snapshot()
        came = sum(entry.what == "entrou" for entry in log)
        return came - sum(entry.what.startswith("saiu") for entry in log) - len(clients)

    assert set(seen_while_200_come_and_go(server, missing)) == {0}


def test_way_out_of_a_busy_port_keeps_the_host():
    with socket.create_server(("0.0.0.0", 0)) as other, pytest.raises(OSError) as caught:
        EchoServer("0.0.0.0", other.getsockname()[1]).start()
    way_out = caught.value.__notes__[-1]
    free = int(way_out.split("(port=")[1].split(")")[0])
    with EchoServer("0.0.0.0", port=free) as server:
        assert server.address == ("0.0.0.0", free)


@pytest.mark.parametrize("tries", [200, 1])
def test_port_of_another_process_gives_an_error_that_names_it(tries, monkeypatch):
    monkeypatch.setattr(network.local, "_TRIES", tries)  # 1: como se nenhuma outra estivesse livre
    with child(HOLDER) as holder:
        taken = int(holder.stdout.readline())
        with pytest.raises(OSError) as caught:
            EchoServer(port=taken).start()
        happened, way_out = caught.value.__notes__
        assert f"o endereço (127.0.0.1:{taken}) já está em uso" in happened
        if sys.platform != "darwin":  # lá, sem administrador, o sistema não diz quem é
            assert f"Quem usa a porta {taken}: python" in way_out
            assert f" (PID {holder.pid}). " in way_out
        if tries == 1:
            assert way_out.endswith("Deixe o sistema escolher uma porta livre: port=0.")
        else:
            assert way_out.endswith(". Ou deixe o sistema: port=0.")
            free = int(way_out.split("(port=")[1].split(")")[0])
            with EchoServer(port=free) as server:
                assert server.address == (HERE, free)
        holder.communicate("\n", TIMEOUT)


def test_port_held_by_a_socket_of_this_same_program():
    with socket.create_server((HERE, 0)) as s, pytest.raises(OSError) as caught:
        EchoServer(port=s.getsockname()[1]).start()
    assert "este mesmo programa" in caught.value.__notes__[1] or sys.platform == "darwin"


@pytest.mark.parametrize(
    ("host", "happened"),
    [
        ("192.168.0.12", "o endereço (192.168.0.12:61840) não pode ser usado nesta máquina"),
        ("eco.invalid", "o nome da máquina (eco.invalid:61840) não foi {}"),
        ("eu..eu", "este texto não pode virar bytes"),
    ],
)
def test_address_that_is_not_of_this_machine_is_explained(host, happened, untranslated):
    with pytest.raises((OSError, UnicodeError)) as caught:
        EchoServer(host).start()
    assert happened.format(untranslated) in caught.value.__notes__[0]


@posix
def test_hundred_cycles_leave_no_thread_descriptor_or_port():
    server, process = EchoServer(port=0), psutil.Process()
    descriptors, threads = process.num_fds(), threading.active_count()
    for _ in range(100):
        with server, join(server) as client:
            assert echo(client) == b"eco"
    assert process.num_fds() <= descriptors and threading.active_count() <= threads
    assert server.clients == [] and not server.running
    with pytest.raises(ConnectionRefusedError):
        join(server)
    with socket.create_server(server.address):
        pass


def test_stop_from_several_threads_while_clients_talk(server):
    def talk():
        with join(server) as client:
            started.wait(TIMEOUT)
            try:
                while echo(client, PATTERN):
                    pass
            except ConnectionError:
                pass

    started = threading.Barrier(9)
    talkers = [threading.Thread(target=talk) for _ in range(8)]
    stoppers = [threading.Thread(target=server.stop) for _ in range(8)]
    for thread in talkers:
        thread.start()
    started.wait(TIMEOUT)
    for thread in stoppers:
        thread.start()
    for thread in talkers + stoppers:
        thread.join(TIMEOUT)
        assert not thread.is_alive()
    assert not server.running


FEW_DESCRIPTORS = """
import resource
from echo_lib import EchoServer
with EchoServer(port=0) as server:
    resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
    print(server.address[1], flush=True)
    input()
print("parado", server.running)
"""


@posix
def test_server_without_descriptors_goes_on_recovers_and_stops():
    with child(FEW_DESCRIPTORS) as process:
        address = HERE, int(process.stdout.readline())
        user_time = psutil.Process(process.pid).cpu_times
        with socket.create_connection(address, TIMEOUT) as first:
            crowd = [socket.create_connection(address, TIMEOUT) for _ in range(50)]
            settle(first)
            before = user_time().user
            for client in crowd[:45]:
                client.close()
            assert echo(crowd[-1]) == b"eco"  # só é aceito depois da pausa
            assert user_time().user - before < 0.4  # sem girar em falso
            crowd += [socket.create_connection(address, TIMEOUT) for _ in range(50)]
            settle(first)
            assert process.communicate("\n", TIMEOUT) == ("parado False\n", "")
        for client in crowd:
            client.close()


def test_no_recv_asks_for_more_than_buffer_size_and_no_call_fails():
    with Trace() as trace, EchoServer(port=0, buffer_size=4) as server, join(server) as client:
        assert echo(client, b"0123456789") == b"0123456789"
    events = trace.events()
    received = [event for event in events if (event.role, event.call) == ("server", "recv")]
    assert {event.argument for event in received} == {4}
    assert b"".join(event.data for event in received) == b"0123456789"
    assert [event for event in events if event.error] == []


@pytest.mark.parametrize("value", [0, -1, "10", True, float("nan"), 1.5])
@pytest.mark.parametrize(
    "name", ["buffer_size", "max_clients", "max_clients_per_address", "idle_timeout"]
)
def test_limit_that_makes_no_sense_is_refused(name, value):
    if name == "idle_timeout" and value == 1.5:  # um prazo pode ter fração; os limites, não
        assert EchoServer(idle_timeout=value).idle_timeout == 1.5
        return
    with pytest.raises(ValueError, match=rf"esperava {name} .*, maior que zero; recebi "):
        EchoServer(**{name: value})


@pytest.mark.parametrize(("host", "port"), [("", 1), (HERE, 65536), (HERE, "x"), ("a/b", 1)])
def test_bad_address_is_refused_before_anything_starts(host, port):
    with pytest.raises(ValueError, match=r"esperava .*; recebi "):
        EchoServer(host, port)


def test_clients_tell_who_is_connected_since_when_and_how_much(server, good):
    with join(server) as other:
        echo(good, b"a")
        settle(other)
        first, second = server.clients
    assert (first.address, first.messages, first.bytes) == (good.getsockname(), 1, 1)
    assert (second.messages, second.bytes) == (2, 6) and first.since <= second.since


def test_life_of_a_server():
    server = EchoServer(port=0)
    assert not server.running and repr(server) == "<EchoServer parado, 127.0.0.1:0>"
    server.stop()
    with server.start() as same:
        address, thread = server.address, server._thread
        assert same is server.start() is server and server._thread is thread and thread.daemon
        assert repr(server) == f"<EchoServer escutando em 127.0.0.1:{address[1]}>"
    server.stop()
    assert server.address == address and not server.running
    with server, join(server) as client:
        assert server.address == address and echo(client) == b"eco"


def test_import_is_light():
    heavy = {"ipywidgets", "anywidget", "traitlets", "psutil", "zeroconf", "IPython", "asyncio"}
    heavy |= {"cloudpickle", "matplotlib", "scapy"}
    program = f"import sys, echo_lib; print(sorted({heavy} & set(sys.modules)))"
    output = subprocess.check_output([sys.executable, "-c", program], text=True, timeout=TIMEOUT)
    assert output == "[]\n"


@posix
def test_failure_halfway_through_start_leaves_nothing_and_can_be_tried_again(monkeypatch):
    class NoThread(threading.Thread):
        def start(self):
            raise RuntimeError("can't start new thread")

    server = EchoServer(port=0)
    process = psutil.Process()
    before = process.num_fds()
    with monkeypatch.context() as patch:
        patch.setattr(threading, "Thread", NoThread)
        with pytest.raises(RuntimeError):
            server.start()
    assert process.num_fds() == before and not server.running
    with server:
        assert server.running


def test_wake_up_meant_for_an_earlier_run_does_not_spin_the_loop():
    with EchoServer(port=0) as server, socket.create_connection(server.address, TIMEOUT) as client:
        server._wake()
        assert echo(client) == b"eco"
        with pytest.raises(BlockingIOError):
            server._wake_receiver.setblocking(False)
            server._wake_receiver.recv(1)


@posix
def test_server_leaves_descriptors_to_the_kernel_of_the_notebook():
    limit = "resource.setrlimit(resource.RLIMIT_NOFILE, ({0}, {0}))\n"
    program = FEW_DESCRIPTORS.replace("    " + limit.format(30), "")
    program = program.replace("with EchoServer", limit.format(80) + "with EchoServer")
    with child(program) as process:
        address = HERE, int(process.stdout.readline())
        crowd = [socket.create_connection(address, TIMEOUT) for _ in range(70)]
        last = crowd[-1]
        assert last.recv(1) == b""  # recusado: 3/4 de 80 já estão atendidos
        assert echo(crowd[0]) == b"eco"
        for client in crowd:
            client.close()
        assert process.communicate("\n", TIMEOUT) == ("parado False\n", "")


def settled_log(server, good):
    """O que houve, sem os endereços, depois de o servidor tratar tudo o que já chegou."""
    settle(good)
    return [entry.what for entry in server.log]


def test_log_tells_who_came_who_left_and_why_but_not_each_message():
    server = EchoServer(port=0, max_clients=2, idle_timeout=None)
    assert server.log == []
    start = time.time()
    with server, join(server) as good:
        with join(server) as other, join(server) as late:
            echo(other)
            assert receive(late) == b""
        assert settled_log(server, good)[-1] == "saiu: fechou a conexão"
        reset(join(server))
        deadline = time.monotonic() + TIMEOUT  # a fila de accept pode atrasar o corte
        while settled_log(server, good)[-1] == "entrou":
            assert time.monotonic() < deadline
        assert settled_log(server, good)[-1] == "saiu: a conexão foi cortada"
        ours, listening = good.getsockname(), server.address
        server.stop()
    assert [(entry.number, entry.address, entry.what) for entry in server.log[:2]] == [
        (1, listening, "começou a escutar"),
        (2, ours, "entrou"),
    ]
    assert [entry.what for entry in server.log[3:]] == [
        "recusado: o servidor está cheio, com 2 clientes",
        "saiu: fechou a conexão",
        "entrou",
        "saiu: a conexão foi cortada",
        "saiu: o servidor parou",
        "parou de escutar e desconectou 1 cliente",
    ]
    assert [entry.number for entry in server.log] == [*range(1, 10)]
    assert start - 1 <= server.log[0].time <= server.log[-1].time <= time.time() + 1
    with server:
        pass
    assert [entry.what for entry in server.log[9:]] == ["começou a escutar", "parou de escutar"]


def test_log_tells_about_silence_and_about_the_limit_of_an_address():
    server = EchoServer(port=0, idle_timeout=0.1, max_clients_per_address=1)
    with server:
        server.pause()  # os dois chegam no mesmo instante, por mais que um join demore
        with join(server) as silent, join(server) as late:
            server.resume()
            assert receive(late) == receive(silent) == b""
    assert [entry.what for entry in server.log[3:6]] == [
        "entrou",
        "recusado: este endereço já tem 1 cliente",
        "saiu: ficou 0,1 segundo em silêncio",
    ]


def test_log_is_bounded_under_a_flood_and_counts_what_it_dropped(server, good):
    for _ in range(600):
        join(server).close()
    while (last := server.log[-1].number) < 2 + 2 * 600:
        settle(good)
    assert len(server.log) == 1000 and server.log[0].number == last - 999


@pytest.mark.parametrize("busy", [False, True])
def test_disconnect_ends_one_client_and_disturbs_nobody(server, good, busy):
    with join(server) as other:
        settle(other)
        if busy:  # o servidor lhe deve bytes
            other.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    other.send(PATTERN * 300)
            other.settimeout(TIMEOUT)
        address = other.getsockname()
        server.disconnect(address)
        while receive(other):
            pass
        settle(good)
        server.disconnect(address)  # já saiu
        settle(good)
        (left,) = server.clients
        assert left.address == good.getsockname()
        assert (server.log[-1].address, server.log[-1].what) == (
            address,
            "saiu: desconectado por este servidor",
        )


def test_disconnect_from_several_threads_amid_traffic():
    with EchoServer(port=0) as server, join(server) as good, ExitStack() as stack:
        clients = [stack.enter_context(join(server)) for _ in range(50)]
        for client in clients:
            settle(client)
        ask = [
            threading.Thread(target=server.disconnect, args=(client.getsockname(),))
            for client in clients
        ]
        for thread in ask:
            thread.start()
            assert echo(good) == b"eco"
        for thread, client in zip(ask, clients, strict=True):
            thread.join(TIMEOUT)
            assert receive(client) == b""
        settle(good)
        assert [client.address for client in server.clients] == [good.getsockname()]


def test_disconnect_of_a_stopped_server_does_nothing_even_later(server):
    with join(server) as client:
        address = client.getsockname()
        settle(client)
        server.stop()
        server.disconnect(address)
    EchoServer().disconnect(address)
    with server, socket.create_connection(server.address, TIMEOUT) as client:
        settle(client)


@not_on_macos
def test_blocked_machine_leaves_and_is_refused_until_unblocked_and_disturbs_nobody(server, good):
    other = "127.0.0.9"
    join = partial(socket.create_connection, server.address, TIMEOUT, (other, 0))
    with join() as one, join() as two:
        settle(one)
        settle(two)
        server.block(other)
        assert receive(one) == receive(two) == b""
    with join() as again:
        assert receive(again) == b""
    settle(good)
    assert [client.address for client in server.clients] == [good.getsockname()]
    whats = [entry.what for entry in server.log if entry.address[0] == other]
    assert whats[2:5] == ["saiu: bloqueado por este servidor"] * 2 + [
        "recusado: este endereço está bloqueado"
    ]
    assert server.blocked == {other}
    server.unblock(other)
    server.unblock(other)
    with join() as back:
        settle(back)
        server.block(other)
        server.unblock(other)  # antes que a thread veja
        assert receive(back) == b""


def refused(server):
    """Quantas recusas o registro conta."""
    times = (re.match(r"recusado(?:: | mais (\d+) vez)", entry.what) for entry in server.log)
    return sum(int(found[1] or 1) for found in times if found)


def test_refusals_are_told_before_the_server_stops(server):
    server.block(HERE)
    for _ in range(3):
        with socket.create_connection(server.address, TIMEOUT) as client:
            assert receive(client) == b""
    server.stop()
    assert refused(server) == 3
    assert server.log[-1].what == "parou de escutar"


def test_how_many_more_were_refused_is_told_without_a_new_event(server, monkeypatch):
    monkeypatch.setattr("echo_lib.server._RETELL", 3.0)  # até lá, cabem as três
    told, note = threading.Event(), server._note

    def noted(what, *rest):
        note(what, *rest)
        if "recusado mais" in what:
            told.set()

    monkeypatch.setattr(server, "_note", noted)
    server.block(HERE)
    for _ in range(3):
        with join(server) as client:
            assert receive(client) == b""
    server.disconnect((HERE, 1))  # de ninguém: uma limpeza no meio não a adia
    assert told.wait(TIMEOUT)
    whats = [entry.what for entry in server.log]
    assert sum(what.startswith("recusado: ") for what in whats) == 1  # e não uma a cada vez


def test_block_wants_an_address_and_lasts_beyond_a_stop(server):
    for wrong in ("localhost", None, "10.0.0.1:5"):
        with pytest.raises(ValueError, match="esperava o endereço de uma máquina, em números"):
            server.block(wrong)
    server.block(HERE)
    server.stop()
    with server, socket.create_connection(server.address, TIMEOUT) as client:
        assert receive(client) == b""


def test_block_takes_an_address_of_ipaddress_too(server):
    with socket.create_connection(server.address, TIMEOUT) as client:
        settle(client)
        server.block(ipaddress.ip_address(HERE))
        assert receive(client) == b"" and server.blocked == {HERE}
    server.unblock(ipaddress.ip_address(HERE))
    with socket.create_connection(server.address, TIMEOUT) as client:
        settle(client)


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("buffer_size", "10"),
        ("buffer_size", 0),
        ("max_clients", None),
        ("max_clients_per_address", None),
        ("idle_timeout", ""),
        ("idle_timeout", -1),
    ],
)
def test_wrong_limit_put_on_a_running_server_is_refused_and_loses_nobody(
    server, good, limit, value
):
    before = getattr(server, limit)
    with pytest.raises(ValueError, match=rf"esperava {limit} .*; recebi {value!r}"):
        setattr(server, limit, value)
    assert getattr(server, limit) == before
    settle(good)
    with socket.create_connection(server.address, TIMEOUT) as another:
        settle(another)


@pytest.mark.parametrize("address", ["127.0.0.1", None, 5, ("127.0.0.1",), ("a", 1, 2)])
def test_disconnect_wants_a_pair(server, address):
    with pytest.raises(TypeError, match=r"esperava o par \(host, porta\) .*; recebi "):
        server.disconnect(address)
    with pytest.raises(ValueError, match="esperava uma porta"):
        server.disconnect((HERE, "x"))


def test_client_portrait_has_the_beginning_of_its_first_and_last_messages(server):
    with join(server) as sock:
        for message in (b"Ana", b"oi", b"x" * 500):
            assert echo(sock, message) == message
        (client,) = server.clients
        assert (client.first, client.last) == (b"Ana", b"x" * 200)
        assert server.totals == (3, 505)
        sock.shutdown(socket.SHUT_WR)
        receive(sock)
    assert server.totals == (3, 505)


def test_portrait_taken_in_the_middle_of_a_turn_is_as_short_as_any_other(server):
    with ThreadPoolExecutor() as pool, ExitStack() as stack:
        socks = [stack.enter_context(join(server)) for _ in range(8)]
        talks = [pool.submit(lambda s=s: [echo(s, bytes(1024)) for _ in range(200)]) for s in socks]
        while not all(talk.done() for talk in talks):
            assert all(len(client.last) <= 200 for client in server.clients)
        for talk in talks:
            assert talk.result(TIMEOUT) == [bytes(1024)] * 200


def test_pause_answers_nobody_and_loses_nothing(server):
    with join(server) as sock:
        settle(sock)
        server.pause()
        server.pause()
        assert server.paused
        late = join(server)  # o sistema completa a conexão; o accept é que não vem
        sock.sendall(b"durante")
        late.sendall(b"eu")
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(1024)
        server.resume()
        sock.settimeout(TIMEOUT)
        assert receive(sock, 7) == b"durante" and receive(late, 2) == b"eu"
        late.close()
    notes = [entry.what for entry in server.log]
    assert notes.count("em pausa") == notes.count("de volta da pausa") == 1


@not_on_macos
def test_port_shared_with_another_address_is_refused_as_on_linux():
    with socket.create_server((HERE, 0)) as listener:
        port = listener.getsockname()[1]
        for host in ("0.0.0.0", HERE):  # o Windows e o macOS deixariam o primeiro
            with pytest.raises(OSError) as caught:
                _refuse_shared((host, port))
            assert caught.value.errno == errno.EADDRINUSE
        _refuse_shared(("127.0.0.2", port))
    _refuse_shared((HERE, port))


def test_connections_to_an_address_that_was_lost_are_ended(server, good):
    server.abandon("192.0.2.7")
    settle(good)
    server.pause()
    server.abandon(HERE)
    assert receive(good) == b""
    server.resume()
    with join(server) as client:
        settle(client)
    assert "saiu: o endereço desta máquina mudou" in [entry.what for entry in server.log]


def test_connection_that_cannot_tell_its_own_address_does_not_end_the_others(
    server, good, monkeypatch
):
    def fallen(sock):  # no macOS, o que faz um socket cujo RST ainda não se leu
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(socket.socket, "getsockname", fallen)
    server.abandon("192.0.2.7")
    settle(good)
    assert server.running


def test_pause_is_not_cut_by_the_default_timeout_of_sockets():
    socket.setdefaulttimeout(0.05)
    try:
        with EchoServer(port=0) as server, join(server) as sock:
            settle(sock)
            server.pause()
            sock.settimeout(0.3)
            with pytest.raises(TimeoutError):
                sock.recv(1)
            assert server.running and server.paused
    finally:
        socket.setdefaulttimeout(None)


def test_pause_does_not_count_as_silence_and_lets_a_client_be_disconnected():
    with EchoServer(port=0, idle_timeout=0.2) as server, join(server) as sock:
        settle(sock)
        server.pause()
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):  # mais que o prazo de silêncio, e ninguém desconectou
            sock.recv(1)
        server.disconnect(sock.getsockname())
        sock.settimeout(TIMEOUT)
        assert sock.recv(1) == b"" and server.paused
        server.stop()
        assert server.start().running and not server.paused


def test_who_insists_on_being_refused_does_not_fill_the_log(monkeypatch):
    monkeypatch.setattr("echo_lib.server._RETELL", 2 * TIMEOUT)
    with EchoServer(port=0, max_clients=1) as server, join(server) as good:
        settle(good)
        for _ in range(50):
            with join(server) as refused:
                assert receive(refused) == b""
        server.stop()
        notes = [entry.what for entry in server.log if "recusado" in entry.what]
        assert notes == ["recusado: o servidor está cheio, com 1 cliente", "recusado mais 49 vezes"]


def test_switch_interval_is_short_while_a_server_runs_and_goes_back_after_the_last():
    usual = sys.getswitchinterval()
    with EchoServer(port=0) as first:
        short = sys.getswitchinterval()
        assert short < usual
        with EchoServer(port=0):
            first.stop()
            assert sys.getswitchinterval() == short
    assert sys.getswitchinterval() == usual


def test_switch_interval_chosen_by_someone_else_meanwhile_is_kept():
    usual = sys.getswitchinterval()
    with EchoServer(port=0):
        sys.setswitchinterval(0.002)
    assert sys.getswitchinterval() == pytest.approx(0.002)
    sys.setswitchinterval(usual)
