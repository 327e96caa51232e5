"""As verificações da lição 09: cada engano tem a sua pista; o certo passa, por qualquer técnica."""

import asyncio
import re
import select
import selectors
import socket
import sys
import threading
import time
from asyncio import sleep
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import chain, cycle, repeat

import psutil
import pytest

from echo_lib import checks, isolated
from echo_lib.checks import peers
from echo_lib.worker import BUFFER, limit_buffers
from tests.common import HERE, TIMEOUT


@pytest.fixture(autouse=True)
def short_wait(monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT", 1.0)


# --- servidores inteiros ---


def attend(conn):
    with conn:
        try:
            while data := conn.recv(1024):
                conn.sendall(data)
        except ConnectionError:
            pass


def threads(listener):
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=attend, args=(conn,), daemon=True).start()


def threads_that_just_fail(listener):
    def attend(conn):
        while True:
            data = conn.recv(65536)
            if not data:
                break
            conn.sendall(data)

    while True:
        threading.Thread(target=attend, args=[listener.accept()[0]]).start()


def with_selectors(listener):
    listener.setblocking(False)
    watcher, waiting = selectors.DefaultSelector(), {}
    watcher.register(listener, selectors.EVENT_READ)
    while True:
        for key, events in watcher.select():
            sock = key.fileobj
            if sock is listener:
                conn, _ = listener.accept()
                conn.setblocking(False)
                watcher.register(conn, selectors.EVENT_READ)
                waiting[conn] = b""
                continue
            try:
                if events & selectors.EVENT_WRITE:
                    waiting[sock] = waiting[sock][sock.send(waiting[sock]) :]
                elif data := sock.recv(4096):
                    waiting[sock] += data
                else:
                    raise ConnectionError
                todo = selectors.EVENT_WRITE if waiting[sock] else selectors.EVENT_READ
                watcher.modify(sock, todo)
            except ConnectionError:
                watcher.unregister(sock)
                sock.close()


def with_blocking_sockets_and_select(listener, at_first=id):
    watcher = selectors.DefaultSelector()
    watcher.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in watcher.select():
            if key.fileobj is listener:
                conn, _ = listener.accept()
                at_first(conn)
                watcher.register(conn, selectors.EVENT_READ)
                continue
            try:
                data = key.fileobj.recv(1024)
                key.fileobj.sendall(data)
            except OSError:
                data = b""
            if not data:
                watcher.unregister(key.fileobj)
                key.fileobj.close()


def with_asyncio(listener):
    async def attend(reader, writer):
        try:
            while data := await reader.read(1024):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    async def serve():
        async with await asyncio.start_server(attend, sock=listener) as server:
            await server.serve_forever()

    asyncio.run(serve())


def with_a_protocol(listener):
    class Echo(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(data)

    async def serve():
        await asyncio.get_running_loop().create_server(Echo, sock=listener)
        await asyncio.Event().wait()

    asyncio.run(serve())


def four_at_a_time(listener):
    def talk(conn):
        with conn, suppress(ConnectionError):
            while data := conn.recv(1024):
                conn.sendall(data)

    with ThreadPoolExecutor(4) as pool:
        while True:
            pool.submit(talk, listener.accept()[0])


RIGHT = [
    threads,
    threads_that_just_fail,
    with_selectors,
    with_asyncio,
    with_a_protocol,
    four_at_a_time,
]


@pytest.mark.parametrize("answer", RIGHT)
def test_every_technique_passes(answer):
    assert checks.many_clients(answer).ok, checks.many_clients(answer)
    assert checks.two_clients(answer).ok


def called_instead_of_passed(listener):
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=attend(conn), daemon=True).start()


def one_at_a_time(listener):
    while True:
        conn, _ = listener.accept()
        attend(conn)


def one_client_only(listener):
    conn, _ = listener.accept()
    while data := conn.recv(1024):
        conn.sendall(data)


def joins_each_thread(listener):
    while True:
        thread = threading.Thread(target=attend, args=(listener.accept()[0],))
        thread.start()
        thread.join()


def closes_the_listener(listener):
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=attend, args=(conn,), daemon=True).start()
        listener.close()


def closes_the_connection_in_the_loop(listener):
    while True:
        conn, _ = listener.accept()
        with conn:
            threading.Thread(target=attend, args=(conn,), daemon=True).start()


def target_without_arguments(listener):
    while True:
        _conn, _ = listener.accept()
        threading.Thread(target=attend, daemon=True).start()


def never_accepts(listener):
    while True:
        threading.Event().wait(1)


async def main(listener):
    await asyncio.sleep(0)


def coroutine_never_run(listener):
    main(listener)


def returns_at_once(listener):
    pass


def one_recv_only(listener):
    def attend(conn):
        conn.sendall(conn.recv(1024))

    while True:
        threading.Thread(target=attend, args=(listener.accept()[0],)).start()


def decodes_each_piece(listener):
    def attend(conn):
        while data := conn.recv(1024):
            conn.sendall(data.decode().encode())

    while True:
        threading.Thread(target=attend, args=(listener.accept()[0],)).start()


def decodes_and_ignores(listener):
    def attend(conn):
        while data := conn.recv(1024):
            conn.sendall(data.decode(errors="ignore").encode())

    while True:
        threading.Thread(target=attend, args=(listener.accept()[0],)).start()


def falls_with_the_first_who_falls(listener):
    watcher = selectors.DefaultSelector()
    watcher.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in watcher.select():
            if key.fileobj is listener:
                watcher.register(listener.accept()[0], selectors.EVENT_READ)
            elif data := key.fileobj.recv(1024):
                key.fileobj.sendall(data)
            else:
                watcher.unregister(key.fileobj)
                key.fileobj.close()


def loops_on_the_end(listener):
    def attend(conn):
        while True:
            conn.sendall(conn.recv(1024))

    while True:
        threading.Thread(target=attend, args=(listener.accept()[0],), daemon=True).start()


def send_for_sendall(listener):
    def attend(conn):
        while data := conn.recv(65536):
            conn.send(data)

    while True:
        threading.Thread(target=attend, args=(listener.accept()[0],), daemon=True).start()


def blocks_the_asyncio_loop(listener):
    async def attend(reader, writer):
        conn = writer.get_extra_info("socket")._sock
        conn.setblocking(True)
        while data := conn.recv(1024):
            conn.sendall(data)

    async def serve():
        await asyncio.start_server(attend, sock=listener)
        await asyncio.Event().wait()

    asyncio.run(serve())


def forgets_await(listener):
    async def attend(reader, writer):
        while data := reader.read(1024):
            writer.write(data)

    async def serve():
        await asyncio.start_server(attend, sock=listener)
        await asyncio.Event().wait()

    asyncio.run(serve())


def forgets_to_await_the_answer(listener):
    async def attend(conn):
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(conn, 1024):
            loop.sock_sendall(conn, data)

    async def serve():
        tasks = []
        listener.setblocking(False)
        while True:
            conn, _ = await asyncio.get_running_loop().sock_accept(listener)
            tasks.append(asyncio.create_task(attend(conn)))

    asyncio.run(serve())


def does_not_wait_for_asyncio(listener):
    async def serve():
        await asyncio.start_server(lambda reader, writer: None, sock=listener)

    asyncio.run(serve())


def non_blocking_sendall(listener):
    listener.setblocking(False)
    watcher = selectors.DefaultSelector()
    watcher.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in watcher.select():
            sock = key.fileobj
            with suppress(BlockingIOError):
                if sock is listener:
                    conn, _ = listener.accept()
                    conn.setblocking(False)
                    watcher.register(conn, selectors.EVENT_READ)
                    continue
                try:
                    data = sock.recv(65536)
                    sock.sendall(data)
                except ConnectionError:
                    data = b""
                if not data:
                    watcher.unregister(sock)
                    sock.close()


def tries_only_the_recv(listener):
    watcher = selectors.DefaultSelector()
    watcher.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in watcher.select():
            if key.fileobj is listener:
                watcher.register(listener.accept()[0], selectors.EVENT_READ)
                continue
            try:
                data = key.fileobj.recv(1024)
            except OSError:
                data = b""
            if data:
                key.fileobj.sendall(data)
            else:
                watcher.unregister(key.fileobj)
                key.fileobj.close()


def asks_each_in_turn(listener):
    clients = []
    listener.settimeout(0.01)
    while True:
        with suppress(TimeoutError):
            clients.append(listener.accept()[0])
            clients[-1].settimeout(0.01)
        for conn in [*clients]:
            try:
                if data := conn.recv(1024):
                    conn.sendall(data)
                    continue
            except TimeoutError:
                continue
            except ConnectionError:
                pass
            conn.close()
            clients.remove(conn)


def gives_the_listener_to_the_thread(listener):
    while True:
        _conn, _ = listener.accept()
        threading.Thread(target=attend, args=(listener,), daemon=True).start()


def answers_at_the_end(listener):
    def attend(conn):
        with conn:
            conn.sendall(b"".join(iter(lambda: conn.recv(1024), b"")))

    while True:
        threading.Thread(target=attend, args=(listener.accept()[0],), daemon=True).start()


def drops_the_silent(listener):
    for patience in chain([0.5], repeat(None)):  # o calado é o primeiro
        conn, _ = listener.accept()
        conn.settimeout(patience)
        threading.Thread(target=attend, args=(conn,), daemon=True).start()


def finds_another_in_the_variable(listener):
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=lambda: attend(conn), daemon=True).start()  # noqa: B023


def quits(listener):
    raise SystemExit("chega")


def one_buffer_for_all(listener):
    shared = bytearray(1024)

    def talk(conn):
        with conn:
            while size := conn.recv_into(shared):
                conn.sendall(shared[:size])

    while True:
        conn, _ = listener.accept()
        threading.Thread(target=talk, args=(conn,), daemon=True).start()


def forgets_the_await_of_asyncio(listener):
    async def main():
        server = asyncio.start_server(None, sock=listener)
        await server.serve_forever()

    asyncio.run(main())


def sleeps_in_the_loop_of_asyncio(listener):
    async def attend(reader, writer):
        while data := await reader.read(1024):
            time.sleep(0.3)
            writer.write(data)

    async def serve():
        await asyncio.start_server(attend, sock=listener)
        await asyncio.Event().wait()

    asyncio.run(serve())


async def wait_a_little():
    await sleep(0)


def decodes_and_awaits_an_imported_sleep(listener):
    import asyncio as aio
    from asyncio import Event, sleep

    async def attend(reader, writer):
        while data := await reader.read(1024):
            await sleep(0)
            await aio.sleep(0)
            await wait_a_little()
            writer.write(data.decode(errors="ignore").encode())

    async def serve():
        assert Event
        await asyncio.start_server(attend, sock=listener)
        await asyncio.Event().wait()

    asyncio.run(serve())


def decodes_in_asyncio(listener):
    async def attend(reader, writer):
        while data := await reader.read(1024):
            writer.write(data.decode().encode())

    async def serve():
        await asyncio.start_server(attend, sock=listener)
        await asyncio.sleep(3600)

    asyncio.run(serve())


def two_at_a_time(listener):
    with ThreadPoolExecutor(2) as pool:
        while True:
            pool.submit(attend, listener.accept()[0])


def fails_in_a_group(listener):
    async def fails():
        raise KeyError("sala")

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())

    asyncio.run(main())


def test_partial_of_a_function_is_a_function():
    def serve(patience, listener):
        threads(listener)

    assert checks.two_clients(partial(serve, 5)).ok


@pytest.mark.parametrize("given", [None, 5, "servir"])
def test_what_is_no_function_is_named(given):
    check = checks.two_clients(given)
    assert check.text.startswith(f"Esperava uma função, e recebi {given!r}"), check


def writes_as_a_socket(listener):
    async def attend(reader, writer):
        while data := await reader.read(1024):
            writer.sendall(data)

    async def main():
        await (await asyncio.start_server(attend, sock=listener)).serve_forever()

    asyncio.run(main())


def gives_asyncio_the_function(listener):
    async def main():
        await asyncio.start_server(None, sock=listener)

    asyncio.run(main)


def forgets_to_await_the_server(listener):
    async def main():
        server = await asyncio.start_server(None, sock=listener)
        server.serve_forever()

    asyncio.run(main())


def forgets_to_await_the_drain(listener):
    async def attend(reader, writer):
        while data := await reader.read(1024):
            writer.write(data)
            writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(attend, sock=listener)
        await server.serve_forever()

    asyncio.run(main())


def drops_who_waits_while_another_floods(listener):
    for patience in chain(repeat(None, 13), [0.2], repeat(None)):  # o 14º só fala depois
        conn, _ = listener.accept()
        conn.settimeout(patience)
        threading.Thread(target=attend, args=(conn,), daemon=True).start()


def two_and_no_more(listener):
    pair = [threading.Thread(target=attend, args=(listener.accept()[0],)) for _ in range(2)]
    for thread in pair:
        thread.start()
    for thread in pair:
        thread.join()


def one_message_and_no_more(listener):
    def talk(conn):
        with conn:
            conn.sendall(conn.recv(1024))

    while True:
        threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()


def test_server_of_one_message_is_not_told_of_time():
    check = checks.two_clients(one_message_and_no_more)
    assert not check.ok and "Depois do primeiro recv, algo volta ao recv?" in check.text, check


def looks_before_it_watches(listener):
    def look(conn):
        conn.settimeout(0.001)
        with suppress(TimeoutError):
            conn.recv(1, socket.MSG_PEEK)
        conn.settimeout(None)

    with_blocking_sockets_and_select(listener, look)


def test_server_of_two_clients_is_not_one_of_many():
    check = checks.two_clients(two_and_no_more)
    assert not check.ok and "Ou o seu servidor só atende alguns por vez?" in check.text, check


ONLY_THE_FIRST = "O primeiro, quando fala, recebe"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (called_instead_of_passed, ONLY_THE_FIRST),
        (one_at_a_time, ONLY_THE_FIRST),
        (one_client_only, ONLY_THE_FIRST),
        (joins_each_thread, ONLY_THE_FIRST),
        (blocks_the_asyncio_loop, ONLY_THE_FIRST),
        (closes_the_listener, "parou com OSError"),
        (closes_the_connection_in_the_loop, "este socket já foi fechado"),
        (target_without_arguments, "TypeError: attend() missing 1 required positional"),
        (forgets_await, "nem ele nem o primeiro receberam eco"),
        (forgets_to_await_the_answer, "e não voltaram. No asyncio são await leitor.read(1024)"),
        (writes_as_a_socket, "e não voltaram. No asyncio são await leitor.read(1024)"),
        (gives_asyncio_the_function, "faltaram os parênteses da chamada"),
        (forgets_to_await_the_server, "serve_forever() só cria a corrotina; quem a roda é await"),
        (forgets_to_await_the_drain, "drain() só cria a corrotina; quem a roda é await"),
        (looks_before_it_watches, "não pode parar o resto"),
        (drops_who_waits_while_another_floods, "Um prazo no recv que acaba não é o fim"),
        (never_accepts, "nem ele nem o primeiro receberam eco"),
        (returns_at_once, "Sua função voltou: ela deve atender para sempre"),
        (does_not_wait_for_asyncio, "Sua função voltou: ela deve atender para sempre"),
        (quits, "parou com SystemExit: chega"),
        (one_recv_only, "algo volta ao recv?"),
        (decodes_each_piece, "UnicodeDecodeError"),
        (decodes_and_ignores, "Um byte pode ser só parte de um caractere"),
        (falls_with_the_first_who_falls, "Um cliente caiu de repente"),
        (loops_on_the_end, "O que devolve o recv, depois do fim?"),
        (send_for_sendall, "sendall envia todos"),
        (lambda listener, parar: None, "também um aviso: servir(escuta, threading.Event())"),
        (coroutine_never_run, "main() só cria a corrotina; quem a roda é await, ou asyncio.run"),
        (gives_the_listener_to_the_thread, "Quem recebe é conn, e não a escuta"),
        (answers_at_the_end, "a cada recv, um sendall, sem esperar o fim"),
        (drops_the_silent, "o calado continua ali"),
        (one_buffer_for_all, "fica numa variável da função dele, e não numa de todos"),
        (
            sleeps_in_the_loop_of_asyncio,
            "time.sleep, num async def, faz todos os clientes esperarem",
        ),
        (decodes_and_awaits_an_imported_sleep, "um eco não precisa de texto"),
        (decodes_in_asyncio, "Um byte pode ser só parte de um caractere"),
        (two_at_a_time, "Ou o seu servidor só atende alguns por vez?"),
        (forgets_the_await_of_asyncio, "servidor = await asyncio.start_server(…)"),
        (fails_in_a_group, "parou com KeyError: 'sala', em"),
        (finds_another_in_the_variable, "acha em conn o cliente seguinte"),
        (with_blocking_sockets_and_select, "não pode parar o resto"),
        (tries_only_the_recv, "não pode parar o resto"),
        (non_blocking_sendall, "lança um erro no meio"),
        (asks_each_in_turn, "se o laço espera um pouco por cada cliente"),
    ],
)
def test_mistake_in_a_server_gets_its_hint(answer, hint):
    check = checks.many_clients(answer)
    assert not check.ok and hint in check.text, check
    assert check.events and "Traceback" not in check.text


def stop_for(seconds, call, each=1):
    """A mesma chamada, com o processo do aluno parado no começo de uma de cada tantas."""
    turns = cycle([True] + [False] * (each - 1))

    def stopped(*given, **options):
        if next(turns):
            every = psutil.Process().children()
            (learner,) = [p for p in every if "echo_lib.worker" in p.cmdline()]
            learner.suspend()
            threading.Timer(seconds, learner.resume).start()
        return call(*given, **options)

    return stopped


def test_a_server_that_waits_for_the_processor_is_not_taken_for_one_that_is_full(monkeypatch):
    monkeypatch.setattr(peers, "flood", stop_for(0.5, peers.flood))
    check = checks.many_clients(with_blocking_sockets_and_select)
    assert not check.ok and "não pode parar o resto" in check.text, check


def test_echo_that_comes_while_the_processor_is_asked_about_counts():
    with socket.create_server((HERE, 0)) as listener:
        peer = socket.create_connection(listener.getsockname(), TIMEOUT)
        with peer, listener.accept()[0] as conn:

            def hunger():
                return lambda: bool(conn.sendall(b"oi"))  # None: não tem fome, e já respondeu

            assert peers.receive(peer, 2, hunger=hunger) == b"oi"


def test_path_that_opens_while_the_processor_is_asked_about_is_not_full():
    with socket.create_server((HERE, 0)) as listener:
        limit_buffers(listener)
        peer = socket.socket()
        limit_buffers(peer)
        peer.connect(listener.getsockname())
        with peer, listener.accept()[0] as conn:

            def reads_all_and_is_not_hungry():
                conn.settimeout(0.5)  # um segmento perdido no caminho volta em 0,2 s
                with suppress(TimeoutError):
                    while conn.recv(65536):
                        pass

            size = 10 * BUFFER
            assert peers.flood(peer, lambda: reads_all_and_is_not_hungry, size) == size


def test_a_right_server_that_waits_for_the_processor_passes(monkeypatch):
    monkeypatch.setattr(peers, "exchange", stop_for(1.5 * isolated.TIMEOUT, peers.exchange, each=3))
    check = checks.many_clients(threads)
    assert check.ok, check


def test_a_thread_that_starts_late_finds_another_client_in_the_variable():
    check = checks.two_clients(finds_another_in_the_variable)
    assert not check.ok and "entregue o dele a ela, em args=(conn,)" in check.text, check


# --- o placar ---


def counts(conn, board, lock):
    with lock:
        board["agora"] += 1
    try:
        while data := conn.recv(1024):
            conn.sendall(data)
    except ConnectionError:
        pass
    finally:
        with lock:
            board["agora"] -= 1


def counts_and_closes(conn, board, lock):
    with conn:
        counts(conn, board, lock)


def not_callable(conn, board, lock):
    board["agora"] += lock()


def counts_by_hand(conn, board, lock):
    lock.acquire()
    board["agora"] = board.get("agora", 0) + 1
    lock.release()
    try:
        while True:
            data = conn.recv(1024)
            if not data:
                return
            conn.sendall(data)
    finally:
        lock.acquire()
        board.update(agora=board["agora"] - 1)
        lock.release()


def without_the_lock(conn, board, lock):
    board["agora"] += 1
    try:
        while data := conn.recv(1024):
            conn.sendall(data)
    finally:
        board["agora"] -= 1


def counts_messages(conn, board, lock):
    while data := conn.recv(1024):
        with lock:
            board["agora"] += 1
        conn.sendall(data)
    with lock:
        board["agora"] -= 1


def adds_and_forgets(conn, board, lock):
    with lock:
        board["agora"] + 1
    while data := conn.recv(1024):
        conn.sendall(data)


def adds_to_a_copy(conn, board, lock):
    with lock:
        now = board["agora"]
        now += 1
    while data := conn.recv(1024):
        conn.sendall(data)


def writes_plus_one(conn, board, lock):
    with lock:
        board["agora"] = +1
    while data := conn.recv(1024):
        conn.sendall(data)


def adds_to_the_board(conn, board, lock):
    with lock:
        board += 1


def lock_only_to_read(conn, board, lock):
    with lock:
        now = board["agora"] + 1
    board["agora"] = now
    try:
        while data := conn.recv(1024):
            conn.sendall(data)
    finally:
        with lock:
            board["agora"] -= 1


def lock_to_send(conn, board, lock):
    with lock:
        board["agora"] += 1
    try:
        while data := conn.recv(1024):
            with lock:
                conn.sendall(data)
    finally:
        with lock:
            board["agora"] -= 1


def lock_to_send_late(conn, board, lock):
    """A mesma; até a segunda inundação, a thread de quem não lê só espera a sua vez."""
    flood = vars(peers).setdefault("old_flood", peers.flood)  # a cena roda no mesmo processo
    again = vars(peers).setdefault("again", threading.Event())

    def first(peer):
        peers.flood = second
        return flood(peer)

    def second(peer):
        again.set()
        select.select([peer], [], [], isolated.TIMEOUT)
        return flood(peer)

    peers.flood = first
    with lock:
        board["agora"] += 1
    try:
        while data := conn.recv(1024):
            if len(data) > len(b"oi"):
                again.wait(isolated.TIMEOUT)
            with lock:
                conn.sendall(data)
    finally:
        with lock:
            board["agora"] -= 1


def a_lock_for_each(conn, board, lock):
    with threading.Lock():
        board["agora"] += 1
    while data := conn.recv(1024):
        conn.sendall(data)
    with threading.Lock():
        board["agora"] -= 1


def counts_up_on_the_way_out(conn, board, lock):
    with lock:
        board["agora"] += 1
    try:
        while data := conn.recv(1024):
            conn.sendall(data)
    finally:
        with lock:
            board["agora"] += 1


def counts_down_twice(conn, board, lock):
    with lock:
        board["agora"] += 1
    try:
        while data := conn.recv(1024):
            conn.sendall(data)
    except ConnectionError:
        with lock:
            board["agora"] -= 1
    finally:
        with lock:
            board["agora"] -= 1


def counts_down_only_who_falls(conn, board, lock):
    with lock:
        board["agora"] += 1
    try:
        while data := conn.recv(1024):
            conn.sendall(data)
    except ConnectionError:
        with lock:
            board["agora"] -= 1


def lock_only_on_the_way_in(conn, board, lock):
    with lock:
        board["agora"] += 1
    try:
        while data := conn.recv(1024):
            conn.sendall(data)
    finally:
        board["agora"] -= 1


def lock_for_the_whole_conversation(conn, board, lock):
    with lock:
        board["agora"] += 1
        while data := conn.recv(1024):
            conn.sendall(data)
        board["agora"] -= 1


def never_releases(conn, board, lock):
    lock.acquire()
    board["agora"] += 1
    while data := conn.recv(1024):
        conn.sendall(data)


def forgets_who_drops(conn, board, lock):
    with lock:
        board["agora"] += 1
    while data := conn.recv(1024):
        conn.sendall(data)
    with lock:
        board["agora"] -= 1


def never_subtracts(conn, board, lock):
    with lock:
        board["agora"] += 1
    while data := conn.recv(1024):
        conn.sendall(data)


def wrong_key(conn, board, lock):
    with lock:
        board["agoro"] += 1
    while data := conn.recv(1024):
        conn.sendall(data)


def one_message(conn, board, lock):
    with lock:
        board["agora"] += 1
    conn.sendall(conn.recv(1024))
    with lock:
        board["agora"] -= 1


def locks_twice(conn, board, lock):
    with lock, lock:
        board["agora"] += 1


def does_not_echo(conn, board, lock):
    with lock:
        board["agora"] += 1
    while conn.recv(1024):
        pass


@pytest.mark.parametrize("answer", [counts, counts_by_hand, counts_and_closes])
def test_counting_with_the_lock_passes(answer):
    assert checks.counter(answer).ok, checks.counter(answer)


def echo_to_the_end(conn):
    while data := conn.recv(1024):
        conn.sendall(data)


def reads_and_writes_apart(conn, board, lock):
    with lock:
        now = board["agora"]
    with lock:
        board["agora"] = now + 1
    try:
        echo_to_the_end(conn)
    finally:
        with lock:
            board["agora"] -= 1


def only_the_reset(conn, board, lock):
    with lock:
        board["agora"] += 1
    with suppress(ConnectionResetError):
        echo_to_the_end(conn)
    with lock:
        board["agora"] -= 1


def receives_with_the_lock(conn, board, lock):
    with lock:
        board["agora"] += 1
    data = b"x"
    while data:
        with lock:
            data = conn.recv(1024)
            conn.sendall(data)
    with lock:
        board["agora"] -= 1


def test_lock_held_during_recv_is_told():
    check = checks.counter(receives_with_the_lock)  # a ordem das threads decide quem fica à porta
    assert not check.ok
    assert re.search("no recv com a trava na mão|guarda a trava enquanto conversa", check.text)


def erases_the_error(conn, board, lock):
    try:
        with lock:
            board["agora"] += um  # noqa: F821
    finally:
        return  # noqa: B012


def keeps_the_lock_on_the_way_out(conn, board, lock):
    with lock:
        board["agora"] += 1
    try:
        echo_to_the_end(conn)
    finally:
        lock.acquire()
        board["agora"] -= 1


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (reads_and_writes_apart, "Ler, somar e escrever são três passos"),
        (keeps_the_lock_on_the_way_out, "Cada acquire pede um release"),
        pytest.param(
            only_the_reset,
            "também um BrokenPipeError",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="lá, o erro é outro"),
        ),
        (without_the_lock, "Ler, somar e escrever são três passos"),
        (adds_and_forgets, "Nada foi escrito nele"),
        (adds_to_a_copy, "noutro nome, ou só com +, ela se perde"),
        (counts_messages, "Some 1 uma vez por cliente, antes do laço"),
        (writes_plus_one, "Foi escrito sem ser lido"),
        (adds_to_the_board, 'diga a chave: placar["agora"] += 1'),
        (lock_only_to_read, "é with que a pega (ou acquire(), com os parênteses)"),
        (lock_to_send, "A trava é do placar: solte-a antes do sendall"),
        (lock_to_send_late, "A trava é do placar: solte-a antes do sendall"),
        (a_lock_for_each, "Só a trava que a função recebe é a mesma para todas"),
        (counts_up_on_the_way_out, "Quem sai se desconta: -= 1."),
        (counts_down_twice, "Cada cliente se desconta uma vez, quando sai"),
        (counts_down_only_who_falls, "chega ao desconto?"),
        (erases_the_error, "o return no finally o apaga: tire-o dali"),
        (lock_only_on_the_way_in, "O desconto também é ler, subtrair e escrever"),
        (lock_for_the_whole_conversation, "deixa as outras à porta"),
        (never_releases, "cada acquire pede um release"),
        (forgets_who_drops, "Os outros 4 saíram, uns de repente"),
        (never_subtracts, "Metade saiu: esperava 4"),
        (wrong_key, "KeyError: 'agoro'"),
        (not_callable, """object is not callable, em `board["agora"] += lock()`."""),
        (does_not_echo, "A função ecoa o que recebe?"),
        (one_message, "falta um laço? Ou um return, ou um prazo do recv, a encerra?"),
        (locks_twice, "quem já tinha a trava a pediu outra vez"),
    ],
)
def test_mistake_in_the_count_gets_its_hint(answer, hint):
    check = checks.counter(answer)
    assert not check.ok and hint in check.text, check
    assert check.events


# --- a sala ---


def chat(conn, room, lock):
    with lock:
        room.append(conn)
    try:
        while data := conn.recv(1024):
            with lock:
                others = [other for other in room if other is not conn]
            for other in others:
                with suppress(OSError):
                    other.sendall(data)
    except OSError:
        pass
    finally:
        with lock:
            room.remove(conn)


def says_a_part(conn, room, lock):
    with lock:
        room.append(conn)
    while data := conn.recv(1024):
        with lock:
            others = [other for other in room if other is not conn]
        for other in others:
            other.send(data)


def chat_and_close(conn, room, lock):
    chat(conn, room, lock)
    conn.close()


def chat_under_the_lock(conn, room, lock):
    with lock:
        room.append(conn)
    try:
        for data in iter(lambda: conn.recv(1024), b""):
            with lock:
                for other in room:
                    if other != conn:
                        with suppress(OSError):
                            other.sendall(data)
    finally:
        with lock:
            room.remove(conn)


def chat_by_the_slice(conn, room, lock):
    with lock:
        room.insert(0, conn)
    with suppress(ConnectionError):
        while data := conn.recv(1024):
            with lock:
                others = room.copy()
            for other in others:
                if other is not conn:
                    with suppress(OSError):
                        other.sendall(data)
    with lock:
        room[:] = [other for other in room if other is not conn]


def chat_without_the_lock(conn, room, lock):
    room.append(conn)
    try:
        while data := conn.recv(1024):
            for other in room:
                if other is not conn:
                    with suppress(OSError):
                        other.sendall(data)
    finally:
        room.remove(conn)


def stops_at_the_first_who_falls(conn, room, lock):
    with lock:
        room.append(conn)
    try:
        while data := conn.recv(1024):
            with lock, suppress(OSError):
                for other in room:
                    if other is not conn:
                        other.sendall(data)
    finally:
        with lock:
            room.remove(conn)


def echoes(conn, room, lock):
    while data := conn.recv(1024):
        conn.sendall(data)


def hears_oneself(conn, room, lock):
    room.append(conn)
    while data := conn.recv(1024):
        for other in room:
            other.sendall(data)


def only_one_hears(conn, room, lock):
    room.append(conn)
    while data := conn.recv(1024):
        for other in room:
            if other is not conn:
                other.sendall(data)
                break


def said_twice(conn, room, lock):
    room.append(conn)
    while data := conn.recv(1024):
        for other in room:
            if other is not conn:
                other.sendall(data * 2)


def who_drops_stays(conn, room, lock):
    room.append(conn)
    while data := conn.recv(1024):
        for other in room:
            if other is not conn:
                other.sendall(data)
    room.remove(conn)


def who_leaves_stays(conn, room, lock):
    room.append(conn)
    try:
        while data := conn.recv(1024):
            for other in room:
                if other is not conn:
                    other.sendall(data)
    except OSError:
        room.remove(conn)


def one_message_only(conn, room, lock):
    room.append(conn)
    data = conn.recv(1024)
    for other in room:
        if other is not conn:
            other.sendall(data)


def text_in_the_room(conn, room, lock):
    room.append(conn)
    while data := conn.recv(1024).decode():
        for other in room:
            if other is not conn:
                other.sendall(data)


def chat_without_a_try(enter=list.append, leave=list.remove):
    def chat(conn, room, lock):
        with lock:
            enter(room, conn)
        try:
            while data := conn.recv(1024):
                with lock:
                    for other in room:
                        if other is not conn:
                            other.sendall(data)
        finally:
            with lock:
                leave(room, conn)

    return chat


def leaves_another_room(conn, room, lock):
    room.append(conn)
    try:
        while data := conn.recv(1024):
            for other in room:
                if other is not conn:
                    other.sendall(data)
    finally:
        room = [other for other in room if other is not conn]


def takes_the_lock_twice(conn, room, lock):
    with lock:
        room.append(conn)
        with lock:
            pass


def takes_the_lock_again_to_speak(conn, room, lock):
    with lock:
        room.append(conn)
    while data := conn.recv(1024):
        with lock:
            for other in room:
                if other is not conn:
                    with lock:
                        other.sendall(data)


def keeps_the_lock(conn, room, lock):
    with lock:
        room.append(conn)
        conn.recv(1024)


def speaks_to_oneself(conn, room, lock):
    room.append(conn)
    while data := conn.recv(1024):
        for other in room:
            if other is not conn:
                conn.sendall(data)


def takes_oneself_out(conn, room, lock):
    with lock:
        room.append(conn)
    with suppress(OSError):
        while data := conn.recv(1024):
            with lock:
                others = [other for other in room if other is not conn]
            for other in others:
                try:
                    other.sendall(data)
                except OSError:
                    with lock, suppress(ValueError):
                        room.remove(conn)
    with lock, suppress(ValueError):
        room.remove(conn)


def ends_the_line(conn, room, lock):
    with lock:
        room.append(conn)
    while data := conn.recv(1024):
        for other in room:
            if other is not conn:
                other.sendall(data + b"\n")


def deaf_to_the_end_of_a_guest(conn, room, lock):
    with lock:
        room.append(conn)
    try:
        while True:
            data = conn.recv(1024)
            time.sleep(0.001)
            for other in list(room):
                if other is not conn:
                    with suppress(OSError):
                        other.sendall(data)
    except OSError:
        with lock:
            room.remove(conn)


def says_who(conn, room, lock):
    room.append(conn)
    while data := conn.recv(1024):
        for other in room:
            if other is not conn:
                other.sendall(b"Ana: " + data)


def speaks_to_the_list(conn, room, lock):
    room.append(conn)
    while data := conn.recv(1024):
        room.sendall(data)


def a_room_of_ones_own(conn, room, lock):
    room = [conn]
    while data := conn.recv(1024):
        for other in room:
            if other is not conn:
                other.sendall(data)


@pytest.mark.parametrize("answer", [chat, chat_under_the_lock, chat_and_close, chat_by_the_slice])
def test_chat_room_passes(answer):
    assert checks.chat_room(answer).ok, checks.chat_room(answer)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (echoes, "Três entraram; na sala há 0"),
        (a_room_of_ones_own, "Três entraram; na sala há 0"),
        (hears_oneself, "voltou a ele"),
        (only_one_hears, "outro recebeu b''"),
        (
            chat_without_a_try(leave=lambda room, conn: room.clear()),
            "Quem sai tira da lista só a si",
        ),
        (
            chat_without_a_try(leave=lambda room, conn: room.pop(conn is room[0])),
            "quem saiu da lista foi outro",
        ),
        (leaves_another_room, "sala = … faz outra"),
        (takes_the_lock_twice, "quem já tinha a trava a pediu outra vez"),
        (takes_the_lock_again_to_speak, "quem já tinha a trava a pediu outra vez"),
        (keeps_the_lock, "Alguém guarda a trava enquanto conversa?"),
        (speaks_to_oneself, "é outro.sendall, se outro is not conn"),
        (says_who, "sem nada a mais"),
        (says_a_part, "sendall envia todos"),
        (speaks_to_the_list, "'list' object has no attribute 'sendall'"),
        (said_twice, "chegou mais de uma vez"),
        (ends_the_line, "sem nada a mais"),
        (deaf_to_the_end_of_a_guest, "recv devolve b'': o laço acaba aí?"),
        (takes_oneself_out, "Quem se tira da lista é o que caiu, e não quem falava"),
        (chat_without_the_lock, "Com a trava, mude a lista ou copie-a; sem ela, percorra a cópia"),
        (stops_at_the_first_who_falls, "o try vai em volta de cada sendall, e não do laço"),
        (chat_without_a_try(), "quem falava saiu também. O sendall a quem caiu"),
        (
            chat_without_a_try(enter=lambda room, conn: room.insert(0, conn)),
            "quem falava saiu também. O sendall a quem caiu",
        ),
        (who_drops_stays, "Uma cliente caiu de repente"),
        (who_leaves_stays, "Só a Ana ficou, e na sala há 2"),
        (one_message_only, "Sua função voltou com o cliente ainda conectado"),
        (text_in_the_room, "TypeError"),
    ],
)
def test_mistake_in_the_room_gets_its_hint(answer, hint):
    check = checks.chat_room(answer)
    assert not check.ok and hint in check.text, check


@pytest.mark.usefixtures("no_process_left")
def test_no_process_is_left():
    checks.many_clients(never_accepts)
    checks.counter(never_releases)


def test_what_cannot_go_to_another_process_is_said():
    with socket.create_server(("127.0.0.1", 0)) as mine:

        def uses_the_listener_of_the_notebook(listener):
            threads(mine)

        check = checks.many_clients(uses_the_listener_of_the_notebook)
    assert not check.ok and "um servidor já abertos no notebook não servem" in check.text
    assert "usa mine, de fora da função" in check.text


@pytest.mark.parametrize("lock", [threading.Lock(), threading.RLock()])
def test_lock_of_the_notebook_goes_along_as_a_new_one(lock):
    def counts_under_it(listener):
        with lock:
            threads(listener)

    with lock:
        assert checks.many_clients(counts_under_it).ok


def test_socket_of_the_notebook_is_said():
    with socket.socket() as mine:

        def uses_a_socket_of_the_notebook(listener):
            mine.accept()

        assert "um socket" in checks.two_clients(uses_a_socket_of_the_notebook).text
