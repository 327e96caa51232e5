"""O código do aluno num processo à parte: nada do que ele faz alcança o notebook."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial

import cloudpickle
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echo_lib import isolated
from echo_lib.checks import peers
from echo_lib.checks.base import failed
from echo_lib.isolated import NEVER_ENDED, Learner, useless
from tests.common import TIMEOUT, receive

cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def short_wait(monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT", 1.0)


def children():
    return [p for p in psutil.Process().children() if "echo_lib.worker" in p.cmdline()]


def endless():
    while True:
        pass


def deaf_to_everything():
    while True:
        try:
            while True:
                threading.Event().wait(1)
        except BaseException:
            pass


def holds_the_lock():
    return pow(7, 10**9)  # uma só instrução, que não larga o interpretador


def forks_threads():
    for _ in range(5):
        threading.Thread(target=endless).start()
    endless()


def talks_to_itself():
    with socket.create_server(("127.0.0.1", 0)) as s:
        one = socket.create_connection(s.getsockname())
        other, _ = s.accept()
    while True:
        one.sendall(b"x")
        other.recv(1)


def reads_slowly(conn):
    data = b""
    while piece := conn.recv(1):
        threading.Event().wait(0.05)
        data += piece
    return data


@pytest.mark.parametrize("code", [endless, deaf_to_everything, holds_the_lock, forks_threads])
def test_code_that_never_ends_is_cut_and_leaves_nothing(short_wait, monkeypatch, code):
    monkeypatch.setattr(isolated, "ANSWER", 1.0)  # quem não larga o interpretador não responde
    threads = threading.active_count()
    with Learner(code) as learner:
        assert learner.call() == (None, NEVER_ENDED)
    assert children() == [] and threading.active_count() == threads


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (lambda: os._exit(3), "encerrou o processo em que rodava (código 3)"),
        (lambda: os.abort(), "encerrou o processo"),
        (lambda: sys.exit(1), "parou com SystemExit: 1"),
        (lambda: 1 / 0, "parou com ZeroDivisionError: division by zero"),
        (lambda: input("nome? "), "parou com EOFError"),
        (lambda: threading.Lock(), "Sua função devolveu um objeto lock"),
        (lambda: setattr(sys, "stdout", None), ""),
        (lambda: os.close(1), ""),
    ],
)
def test_crash_exit_and_error_are_told_and_the_next_call_still_works(code, said):
    with Learner(code, lambda: "ainda aqui") as learner:
        answer, error = learner.call()
        assert answer is None and said in error, error
        if "processo em que" not in error:
            assert learner.call(function=1) == ("ainda aqui", "")


def test_deadline_is_for_who_stops_and_not_for_who_is_slow(monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT", 2.0)
    data = b"devagar se vai ao longe, um byte por vez: " + b"x" * 20
    with Learner(reads_slowly) as learner:
        peer = learner.connect()
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        assert learner.result() == (data, "")


def test_who_never_stops_moving_bytes_is_cut_too(monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT", 0.2)
    with Learner(talks_to_itself) as learner:
        assert learner.call() == (None, NEVER_ENDED)
    assert children() == []


def echoes_for_ever(conn):
    while True:
        conn.sendall(conn.recv(1024))  # no fim, recv devolve b'', e o laço não para


@pytest.mark.parametrize("code", [lambda conn: (conn.recv(2), endless()), echoes_for_ever])
def test_a_loop_that_turns_with_no_bytes_is_cut_long_before_its_deadline(monkeypatch, code):
    monkeypatch.setattr(isolated, "TIMEOUT", 3600.0)  # quem o esperasse não acabaria o teste
    with Learner(code) as learner:
        peer = learner.connect()
        peer.sendall(b"oi")
        peer.shutdown(socket.SHUT_WR)
        assert learner.result() == (None, NEVER_ENDED)
        assert learner.where


def test_who_works_hard_between_two_bytes_is_not_taken_for_a_loop_without_end(monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT", 3600.0)

    def works(conn):
        for _ in range(3):
            while time.process_time() % 0.6 < 0.5:
                pass
            while time.process_time() % 0.6 >= 0.5:
                pass
            conn.recv(1)
        return "fim"

    with Learner(works) as learner:
        learner.connect().sendall(b"abc")
        assert learner.result() == ("fim", "")


def test_variable_that_can_not_go_to_another_process_is_told():
    with socket.socket() as mine:
        with Learner(lambda: mine.fileno()) as learner:
            answer, error = learner.call()
        assert answer is None and "Seu código usa mine, de fora da função" in error
        assert "entre os parênteses do def" in error


HERE = os.getpid()


class OnlyThere:
    """Um objeto que só se abre no processo que o criou; aqui, não."""

    def __reduce__(self):
        return eval, (f"1 / (__import__('os').getpid() != {HERE})",)


def test_answer_that_can_not_come_back_is_told(short_wait):
    with Learner(OnlyThere) as learner:
        answer, error = learner.call()
    assert answer is None and "devolveu um objeto que não passa a outro processo" in error
    assert children() == []


def start_with(code, folder, monkeypatch):
    """Daqui em diante, os processos começam por este código, no lugar do módulo socket."""
    (folder / "socket.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(folder)


def test_process_that_does_not_start_is_told(monkeypatch, tmp_path, capfd):
    start_with("raise ValueError('fim')", tmp_path, monkeypatch)
    with Learner(lambda: 1) as learner:
        assert "há na pasta um .py com nome de módulo, como socket.py?" in learner.call()[1]
    assert capfd.readouterr() == ("", "")  # o traceback, em inglês, não aparece na célula
    start_with("import time; time.sleep(60)", tmp_path, monkeypatch)
    monkeypatch.setattr(isolated, "START", 0.1)
    with Learner(lambda: 1) as learner:
        assert "o processo da verificação não começou em" in learner.call()[1].lower()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no Windows, não há")
def test_cell_stopped_while_the_process_starts_leaves_no_process(monkeypatch, tmp_path):
    learner = Learner(lambda: 1)

    def interrupt():
        while learner._process is None:
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    start_with("import time; time.sleep(60)", tmp_path, monkeypatch)
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt), learner:
        pass
    assert children() == []


def test_second_process_that_does_not_start_is_told_too(short_wait, monkeypatch, tmp_path):
    with Learner(endless) as learner:
        assert learner.call()[1] == NEVER_ENDED  # acabou com o primeiro
        start_with("import time; time.sleep(60)", tmp_path, monkeypatch)
        monkeypatch.setattr(isolated, "START", 0.1)
        assert "o processo da verificação não começou em" in learner.call()[1].lower()
        assert learner.call()[1] != NEVER_ENDED


def test_what_a_call_did_is_still_known_after_it_was_ended(monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT", 0.5)

    def waits(conn):
        conn.recv(1)
        conn.recv(1)

    with Learner(waits) as learner:
        learner.connect().sendall(b"x")
        assert learner.result() == (None, NEVER_ENDED)
        assert [event.call for event in learner.look()] == ["recv"]


class Surly:
    """Como os objetos de alguns servidores web, que fora de um pedido respondem com um erro."""

    def __getattr__(self, name):
        raise RuntimeError("fora do contexto")


def test_a_strange_object_in_the_notebook_does_not_reach_the_answer():
    space = {"estranho": Surly()}
    exec("def resposta(): return 'feito'", space)
    with Learner(space["resposta"]) as learner:
        assert learner.call() == ("feito", "")


def test_report_that_came_late_is_not_taken_for_the_answer(monkeypatch):
    with Learner(wait_a_little) as learner:
        learner.start()
        monkeypatch.setattr(isolated, "ANSWER", 0.0)
        learner.look(wait=0.01)  # quem pediu o rastro já não o espera
        monkeypatch.undo()
        assert learner.result() == ("feito", "")


def test_report_that_came_late_is_not_taken_for_the_next_one():
    def talks(conn):
        conn.recv(1)
        conn.sendall(b"!")
        conn.sendall(b"!")  # a chegada deste diz que o rastro já tem o de antes
        conn.recv(1)

    with Learner(talks) as learner:
        peer = learner.connect()
        learner._tell(("report", -1, True))  # quem o pediu já não o espera
        while learner._reports.empty():
            pass
        peer.sendall(b"x")
        assert receive(peer, 2) == b"!!"
        assert any(event.sends for event in learner.look(wait=0.01))


def test_what_was_printed_is_known_however_the_call_ends():
    def prints_and_closes(text):
        print(text)
        sys.stdout.close()
        return 1

    with Learner(prints_and_closes) as learner:
        assert learner.call("oi") == (1, "") and learner.notes == "Seu código mostrou:\n  oi"
        assert learner.call("") == (1, "") and learner.notes == ""
        learner.start("tchau")
        learner.look(TIMEOUT)
        assert learner.notes == "Seu código mostrou:\n  tchau"


def test_loop_that_prints_for_ever_is_told_by_its_beginning(short_wait):
    def prints():
        while True:
            print("0123456789" * 1000)

    with Learner(prints) as learner:
        assert learner.call() == (None, NEVER_ENDED)
        assert learner.notes == f"Seu código mostrou:\n  {'0123456789' * 40}\n  …"


def test_short_lines_printed_for_ever_are_told_by_the_first_ones(short_wait):
    def prints():
        while True:
            print("oi")

    with Learner(prints) as learner:
        assert learner.call() == (None, NEVER_ENDED)
        assert learner.notes == "Seu código mostrou:" + "\n  oi" * 8 + "\n  …"


async def answers_late():
    pass


def is_none(function):
    return function() and True


def test_coroutine_that_nobody_awaits_is_told_by_its_name():
    async def attend():
        pass

    def forgets():
        attend()

    with Learner(forgets) as learner:
        assert learner.call() == (None, "")
        assert learner.notes == "attend() só cria a corrotina; quem a roda é await, ou asyncio.run."
    with Learner(lambda: answers_late() and None) as learner:
        assert learner.call() == (None, "") and "answers_late()" in learner.notes
    with Learner(partial(is_none, answers_late)) as learner:
        assert learner.call() == (True, "") and learner.notes == ""


class Compared:
    """O que um aluno pode escrever: uma igualdade que só conhece os seus."""

    def __eq__(self, other):
        return self.text == other.text

    __hash__ = None


@pytest.mark.parametrize("given", [b"a", bytearray(b"a")])
def test_only_a_comparison_that_is_never_true_is_told(given):
    def compare(other):
        return given == other

    with Learner(compare, lambda: f"{given}") as learner:
        for same in (b"a", b"b", None):
            learner.call(same)
        learner.call(function=1)  # str() de bytes não compara nada
        assert learner.notes == ""
        assert learner.call("a") == (False, "")
        assert learner.notes.startswith(
            "Em `return given == other`, um lado é bytes, e o outro, texto"
        )


def test_what_the_code_printed_is_told_also_when_it_did_not_fail(short_wait):
    def talks(conn):
        print("recebi", conn.recv(1), "\x1b[2J")
        conn.recv(1)

    shown = "Seu código mostrou:\n  recebi b'x' \\x1b[2J"
    with Learner(talks) as learner:
        peer = learner.connect()
        peer.sendall(b"x")
        assert learner.result() == (None, NEVER_ENDED) and learner.notes == shown
        learner.connect().sendall(b"xy")
        assert learner.result() == (None, "") and learner.notes == shown
        assert failed("Não.", learner).text == f"Não.\n{shown}"


@pytest.mark.parametrize("value", ["report", ("report",), Compared])
def test_whatever_is_returned_comes_back(value):
    with Learner(lambda: value() if isinstance(value, type) else value) as learner:
        answer, error = learner.call()
    assert error == "" and (isinstance(answer, Compared) or answer == value)


def wait_a_little():
    threading.Event().wait(0.3)
    return "feito"


def test_own_exception_is_told_by_its_family():
    class Fim(ConnectionError):
        pass

    def ends():
        raise Fim("acabou")

    with Learner(ends) as learner:
        assert "parou com ConnectionError (Fim): acabou" in learner.call()[1]


def test_learner_changes_nothing_here():
    with Learner(lambda: os.environ.update(ESTRAGO="1") or os.chdir("/")) as learner:
        here = os.getcwd()
        learner.call()
    assert "ESTRAGO" not in os.environ and os.getcwd() == here


def echo(conn, size):
    while data := conn.recv(size):
        conn.sendall(data)


@settings(max_examples=15)
@given(st.binary(min_size=1, max_size=300), st.lists(st.integers(1, 9)), st.integers(1, 50))
def test_bytes_arrive_in_the_pieces_asked_whatever_they_are(data, pieces, size):
    with Learner(lambda conn: list(iter(lambda: conn.recv(1024), b""))) as learner:
        peer = learner.connect(pieces=pieces)
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        received, error = learner.result()
    assert not error and b"".join(received) == data
    assert all(len(piece) <= most for piece, most in zip(received, pieces, strict=False))


def test_both_ends_are_one_trace_in_the_order_of_time():
    with Learner(echo) as learner:
        peer = learner.connect(4)
        peer.sendall(b"olamundo")
        assert peer.recv(100)
        peer.shutdown(socket.SHUT_WR)
        learner.result()
        events = learner.events()
    assert {e.connection for e in events} == {1}
    assert [e.number for e in events] == list(range(1, len(events) + 1))
    times = [e.time for e in events]
    assert times == sorted(times)
    assert {(e.role, e.call) for e in events} >= {
        ("client", "sendall"),
        ("server", "recv"),
        ("server", "sendall"),
    }
    sent = next(e for e in events if e.role == "client" and e.call == "sendall")
    got = next(e for e in events if e.role == "server" and e.call == "recv")
    assert sent.time < got.time and sent.local == got.peer


def test_checker_does_not_draw_the_end_of_a_connection_the_student_reset():
    with Learner(lambda conn: peers.reset(conn)) as learner:
        peer = learner.connect()
        learner.result()
        peers.receive(peer, 1)  # até o RST chegar
        peers.end(peer)
        assert "shutdown" not in [e.call for e in learner.events()]


def test_what_was_done_before_the_cut_is_still_told(short_wait):
    with Learner(lambda conn: (conn.recv(5), conn.recv(5))) as learner:
        learner.connect().sendall(b"oi")
        assert learner.result()[1] == NEVER_ENDED
        assert [e.data for e in learner.own_events()] == [b"oi"]


def test_line_in_which_the_code_was_when_the_time_ended_is_told(short_wait):
    def waits(conn):
        first = conn.recv(5)
        second = conn.recv(5)  # este espera
        return first + second

    with Learner(waits) as learner:
        learner.connect().sendall(b"oi")
        assert learner.result()[1] == NEVER_ENDED
        assert learner.where == "second = conn.recv(5)  # este espera"
        peer = learner.connect()
        assert learner.where == ""
        peer.sendall(b"oi")
        peer.shutdown(socket.SHUT_WR)
        assert learner.result() == (b"oi", "") and learner.where == ""


def hammers(conn):
    conn.setblocking(False)
    while True:
        try:
            conn.recv(1024)
        except BlockingIOError:
            continue


def test_loop_that_uses_no_socket_is_told_from_one_that_does_and_from_who_waits():
    found = []
    for function in (hammers, lambda conn: conn.recv(1024)):
        with Learner(function) as learner:
            learner.connect()
            found.append(learner.spins())
    for function in (deaf_to_everything, endless):
        with Learner(function) as learner:
            learner.start()
            found.append(learner.spins())
    assert found == [False, False, False, True]


def closes_without_parentheses(conn):
    def end():
        conn.close  # noqa: B018

    name = conn.fileno  # guardado, e chamado depois: não é um esquecimento
    name()
    conn.family  # noqa: B018, que não é um método
    end()


def test_method_named_without_parentheses_is_told():
    with Learner(closes_without_parentheses) as learner:
        check = failed("Faltou fechar conn?", learner)
    said = "Sem os parênteses da chamada, .close não faz nada."
    assert check.text == f"Faltou fechar conn?\n{said}"


def counts_and_forgets(conn):
    total, dados = 0, conn.recv(1024)
    dados.decode("utf-8")
    total == total + len(dados)  # noqa: B015
    total + 1
    text = dados.decode()  # guardado
    if total == 1 and text.strip():  # usados
        conn.close()  # nada devolve


def test_value_that_a_line_makes_and_nobody_keeps_is_told():
    with Learner(counts_and_forgets) as learner:
        check = failed("Errado.", learner)
    assert check.text.splitlines() == [
        "Errado.",
        "Sozinho numa linha, .decode() se perde: guarde com = o que ele devolve.",
        "== só compara: quem guarda é um = só, ou +=.",
        "Uma conta sozinha numa linha se perde: guarde o resultado com = ou +=.",
    ]


def waits_for_a_name(conn, over):
    while not over.is_set:
        if conn.recv:
            conn.close()
        if over.is_set() or conn.family:  # chamado; e um campo
            return


def test_method_named_in_a_condition_is_told():
    assert useless(waits_for_a_name).splitlines() == [
        f"Sem os parênteses da chamada, .{name} numa condição vale True."
        for name in ("is_set", "recv")
    ]


def test_traced_socket_is_called_a_socket_in_what_is_told():
    def asks(conn):
        return {}[conn]

    with Learner(asks, lambda conn: conn) as it:
        it.connect()
        assert "KeyError: <socket.socket fd=" in it.result()[1]
        it.connect(function=1)
        assert "um objeto socket, que não passa a outro processo" in (said := it.result()[1])
        assert "Traced" not in said and "echo_lib" not in said


def test_send_accepts_only_a_part_and_sendall_everything():
    with Learner(lambda conn: conn.send(b"x" * 5000), lambda conn: conn.sendall(b"x" * 5000)) as it:
        it.connect()
        assert it.result() == (1000, "")
        peer = it.connect(function=1)
        it.result()
        assert len(peer.recv(9000, socket.MSG_WAITALL)) == 5000


PASSES_THE_TURN = """
import queue, threading
seats = [queue.SimpleQueue() for _ in range(4)]
def pass_on(seat):
    while True:
        seats[seat].get(); sum(range(2000)); seats[seat - 1].put(1)
for seat in range(4): threading.Thread(target=pass_on, args=(seat,)).start()
seats[0].put(1)
print(flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="lê /proc")
@pytest.mark.skipif(
    (os.cpu_count() or 1) < 2, reason="com um só, quem espera a vez está sempre em R"
)
def test_threads_that_pass_the_turn_around_are_not_taken_for_asleep():
    with subprocess.Popen([sys.executable, "-c", PASSES_THE_TURN], stdout=subprocess.PIPE) as busy:
        assert busy.stdout.readline()
        try:
            assert all(isolated.waits_for_its_turn(busy.pid) for _ in range(300))
        finally:
            busy.kill()


def test_process_ends_when_who_checks_is_killed():
    """Como quando o kernel é reiniciado no meio de uma verificação."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from echo_lib.isolated import Learner\n"
        "def endless():\n    while True: pass\n"
        "with Learner(endless) as learner:\n"
        "    learner.start(); print('pronto', flush=True); sys.stdin.read()\n"
    )
    here = os.path.dirname(os.path.dirname(isolated.__file__))
    parent = psutil.Popen([sys.executable, "-c", program, here], stdin=-1, stdout=-1)
    try:
        assert parent.stdout.readline() == b"pronto\n"
        (child,) = parent.children()
    finally:
        parent.kill()
        parent.communicate(timeout=TIMEOUT)
    gone, alive = psutil.wait_procs([child], timeout=TIMEOUT)
    assert gone and not alive


def test_time_of_events_is_the_same_clock_in_both_processes():
    start = time.perf_counter()
    with Learner(lambda: time.perf_counter()) as learner:
        there, _ = learner.call()
    assert start < there < time.perf_counter()


def test_process_imports_only_what_a_check_needs():
    code = "import sys; before = {*sys.modules}\n"
    code += "import echo_lib.worker; print(*{*sys.modules} - before)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=TIMEOUT)
    own = {name for name in loaded.split() if name.startswith("echo_lib")}
    assert own == {
        "echo_lib",
        *(f"echo_lib.{m}" for m in ("errors", "mistakes", "trace", "worker")),
    }
    assert not {"subprocess", "pathlib", "psutil"} & {*loaded.split()}


def test_every_public_name_is_listed_and_comes_when_asked():
    code = "import echo_lib as e; print(set(e.__all__) <= {*dir(e)}, e.errors.explain is e.explain)"
    told = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=TIMEOUT)
    assert told == "True True\n"
