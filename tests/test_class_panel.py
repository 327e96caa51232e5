"""ClassPanel sem navegador: nada se abre sem confirmação; a turma, as suas contas e o registro."""

import csv
import socket
import sys
import threading
from dataclasses import replace
from functools import partial
from time import monotonic

import pytest
from ipywidgets.widgets import widget

from echo_lib import ClassPanel, EchoClient, EchoServer
from echo_lib.network import Interface, diagnose
from echo_lib.network.diagnosis import PROBE
from echo_lib.panels import class_panel
from echo_lib.panels.class_panel import ClassTrace
from echo_lib.panels.roster import Roster
from echo_lib.server import KEPT_BYTES, Client, Entry
from tests.common import HERE, ROOT, TIMEOUT, receive
from tests.conftest import Kernel, Watched, join_threads, start_kernel, stop_kernel


class Teacher(Watched):
    """Quem ensina, diante da página do painel da turma."""

    def __init__(self, **options):
        super().__init__(ClassPanel(0, host=HERE, **options))

    def wait_notice(self, text):
        self.wait(lambda panel: text in " ".join(panel.notice))

    def names(self):
        return [name for _, name, *_ in self.panel.machines]


@pytest.fixture
def teacher():
    teacher = Teacher()
    yield teacher
    teacher.panel.close()


@pytest.fixture
def teaching(teacher):
    teacher.click("open", confirmed=True)
    teacher.wait(lambda panel: panel.state == "aberto nesta máquina")
    return teacher


def join(teacher, name):
    client = EchoClient(*teacher.panel.server.address).connect()
    client.send(name)
    return client


@pytest.mark.parametrize("content", [{}, {"confirmed": False}, {"confirmed": "sim"}])
def test_nothing_opens_without_confirmation(teacher, content):
    teacher.click("open", **content)
    with pytest.raises(ValueError, match=r"(?s)esperava a confirmação.*porta .*share\(confirmed="):
        teacher.panel.share()
    teacher.click("save")
    with pytest.raises(ValueError, match="esperava a confirmação"):
        teacher.panel.share(confirmed=1)
    assert teacher.panel.state == "fechado" and not teacher.panel.server.running


def test_warning_says_what_becomes_reachable_and_the_limits():
    panel = ClassPanel(50_000)
    warning = " ".join(panel.exposed)
    panel.close()
    assert "conectar à porta 50000 desta máquina" in warning
    assert "nem arquivos, nem o JupyterLab" in warning
    assert "32 clientes por máquina, 1000 ao todo" in warning
    assert "60 minutos em silêncio" in warning


def test_class_is_shown_live_by_the_name_each_one_sends_first(teaching):
    with join(teaching, "Ana") as ana, join(teaching, "João"):
        ana.send("olá, ção 🗣️")
        teaching.wait(lambda panel: panel.totals[:4] == [2, 2, 3, 27])
        assert teaching.names() == ["Ana", "João"]
        key, name, connections, messages, size, last, *rest = teaching.panel.machines[0]
        assert (name, connections, messages, size) == ("Ana", 1, 2, 22)
        assert (last, rest) == ("olá, ção 🗣️", [0, False])
        assert key.startswith(f"{HERE}:")
    teaching.wait(lambda panel: panel.totals == [0, 0, 3, 27, 0])
    assert teaching.names() == ["Ana", "João"]  # quem saiu continua à vista


def test_one_is_disconnected_with_everything_it_opened(teaching):
    with join(teaching, "Ana"), join(teaching, "Bia") as bia:
        teaching.wait(lambda panel: panel.totals[0] == 2)
        teaching.click("disconnect", key=teaching.panel.machines[0][0])
        teaching.wait(lambda panel: panel.totals[0] == 1)
        teaching.wait_notice("Desconectado: Ana (127.0.0.1:")
        assert bia.send("ainda aqui") == "ainda aqui"
        teaching.click("disconnect", key="10.0.0.9")
        teaching.wait_notice("10.0.0.9 já não está aqui.")


def test_disconnecting_a_pair_names_both_even_if_one_left_already(teaching, monkeypatch):
    panel = teaching.panel
    panel._roster.key = lambda address: address[0]  # as duas conexões são de uma máquina
    plain = panel.server.disconnect

    def slow(address):  # a página é posta em dia no meio
        plain(address)
        looking = threading.Thread(target=panel._refresh)
        looking.start()
        looking.join(0.5)

    monkeypatch.setattr(panel.server, "disconnect", slow)
    with join(teaching, "Ana"):
        teaching.wait(lambda panel: teaching.names() == ["Ana"])
        with join(teaching, "Bia"):
            teaching.wait(lambda panel: teaching.names() == ["Ana, Bia"])
            assert panel.disconnect(HERE) == "Desconectado: Ana, Bia (127.0.0.1)."
            teaching.wait(lambda panel: panel.totals[:2] == [0, 0])


def test_pause_makes_the_class_wait_and_loses_nothing(teaching):
    with join(teaching, "Ana") as ana:
        teaching.click("pause")
        teaching.wait(lambda panel: panel.state == "em pausa")
        ana._sock.sendall(b"espero")
        ana._sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            ana._sock.recv(1)
        ana._sock.settimeout(TIMEOUT)
        teaching.click("pause")
        teaching.wait(lambda panel: panel.state == "aberto nesta máquina")
        assert receive(ana._sock, 6) == b"espero"


def test_diagram_is_of_the_chosen_machine_only(teaching):
    with join(teaching, "Ana") as ana, join(teaching, "Bia") as bia:
        teaching.wait(lambda panel: teaching.names() == ["Ana", "Bia"])
        teaching.click("select", key=teaching.panel.machines[0][0])
        teaching.wait(lambda panel: panel.diagram is not None)
        ana.send("segredo")
        bia.send("outra")
        diagram = teaching.panel.diagram
        assert "segredo" in diagram.svg() and "outra" not in diagram.svg()
        teaching.click("select", key=teaching.panel.machines[1][0])
        # O antigo fecha depois de o novo já estar na página.
        teaching.wait(lambda panel: panel.diagram not in (None, diagram) and diagram.comm is None)
        assert "outra" in teaching.panel.diagram.svg()
        teaching.click("select", key="")
        teaching.wait(lambda panel: panel.diagram is None)


def test_drawing_left_behind_is_closed_with_all_it_had(teaching):
    with join(teaching, "Ana"), join(teaching, "Bia"):
        teaching.wait(lambda panel: panel.totals[0] == 2)
        widgets = []
        for key, *_ in [*teaching.panel.machines] * 3:
            teaching.panel.select(key)
            widgets.append(len(widget._instances))
        assert {*widgets} == {widgets[0]}


def test_who_talks_without_end_does_not_erase_the_others_from_the_drawing(teaching):
    with join(teaching, "Ana") as ana, join(teaching, "Bia") as bia:
        teaching.wait(lambda panel: teaching.names() == ["Ana", "Bia"])
        ana.send("plano")
        for _ in range(3000):
            bia.send("a")
        teaching.click("select", key=teaching.panel.machines[0][0])
        teaching.wait(lambda panel: panel.diagram is not None)
        drawn = teaching.panel.diagram.svg()
        assert "plano" in drawn and "listen" in drawn and "accept" in drawn
        teaching.click("select", key=teaching.panel.machines[1][0])
        teaching.wait(lambda panel: panel.selected == panel.machines[1][0])
        assert teaching.panel.trace.of(teaching.panel.selected).dropped > 4000


def test_machines_with_a_trace_are_bounded_and_who_is_here_keeps_its_own():
    trace = ClassTrace(lambda address: address[0])
    ana, rui = trace._branch(("10.0.0.1", 5)), trace._branch(("10.0.0.2", 5))
    assert trace._branch(("10.0.0.1", 6)) is trace.of("10.0.0.1") is ana
    assert trace._branch(None) is trace  # no macOS, accept de quem já desistiu
    trace.live = {"10.0.0.1"}
    for n in range(300):
        trace._branch((f"10.0.1.{n}", 5))
    assert len(trace._branches) == 200
    assert trace.of("10.0.0.1") is ana and trace.of("10.0.0.2") is not rui


def test_who_comes_to_a_full_class_also_has_a_trace():
    trace = ClassTrace(lambda address: address[0])
    trace.live = {f"10.0.0.{n}" for n in range(200)}
    for host in trace.live:
        trace._branch((host, 5))
    newest = trace._branch(("10.0.1.1", 5))
    assert trace.of("10.0.1.1") is newest and len(trace._branches) == 200


def looks(host, monkeypatch):
    """O endereço e o aviso do painel, a cada vez que olha os desta máquina, que são os dados."""
    panel = ClassPanel(0, host=host)
    panel.close()

    def look(*addresses):
        found = [Interface(f"placa{n}", address, not n) for n, address in enumerate(addresses)]
        monkeypatch.setattr("echo_lib.panels.class_panel.addresses", lambda: found)
        panel._said = [], None
        panel._look()
        return panel._lan, "".join(panel._said[0])

    look.panel = panel
    return look


def test_address_the_class_typed_is_kept_while_it_exists(monkeypatch):
    look = looks("0.0.0.0", monkeypatch)
    assert look("192.168.0.5") == ("192.168.0.5", "")
    assert look("10.8.0.2", "192.168.0.5") == ("192.168.0.5", "")  # uma VPN toma a rota
    assert look("192.168.0.9")[0] == "192.168.0.9"
    assert look("192.168.0.9") == ("192.168.0.9", "")
    assert look() == (None, "")
    assert look("192.168.0.9") == ("192.168.0.9", "")
    assert look() == (None, "")
    assert "mudou de 192.168.0.9 para 192.168.0.5: todos" in look("192.168.0.5")[1]


def test_address_asked_for_that_this_machine_lost_is_told_once(monkeypatch):
    look = looks("192.168.0.5", monkeypatch)
    assert look("192.168.0.5", "10.0.0.1") == ("192.168.0.5", "")
    gone = "Este servidor escuta em 192.168.0.5, que já não é desta máquina."
    assert look("10.0.0.1") == (None, gone)
    assert look("10.0.0.1") == (None, "")
    assert look("10.0.0.1", "192.168.0.5") == ("192.168.0.5", "")


def test_address_this_machine_lost_is_of_the_student_who_takes_it(monkeypatch):
    look = looks("0.0.0.0", monkeypatch)
    roster = look.panel._roster
    look("192.168.0.9")
    roster.update([client("192.168.0.9", 5, b"Ana", 1)], [])
    look("192.168.0.5")
    assert roster.key(("192.168.0.9", 5)) == "192.168.0.9:5"  # quem conectou por ele continua ali
    roster.update([], [])
    look("192.168.0.5")
    assert roster.key(("192.168.0.9", 6)) == "192.168.0.9"


def test_each_opening_starts_its_own_drawings(teaching):
    with join(teaching, "Ana"):
        teaching.wait(lambda panel: teaching.names() == ["Ana"])
    teaching.panel.stop()
    teaching.panel.share(confirmed=True)
    with join(teaching, "Bia"):
        teaching.wait(lambda panel: teaching.names() == ["Ana", "Bia"])
        calls = [e.call for e in teaching.panel.trace.of(teaching.panel.machines[1][0]).events()]
        assert calls[:3] == ["bind", "listen", "accept"]


def test_wrong_port_does_not_leave_the_previous_panel_open_to_the_network(kernel):
    code = "from echo_lib import ClassPanel; painel = ClassPanel(0, host='127.0.0.1')"
    kernel.run(f"{code}; painel.share(confirmed=True); porta = painel.server.address[1]", "a")
    look = "from echo_lib.network import ports; print([u.state for u in ports(porta)])"
    assert "LISTEN" in kernel.run(look, "b")
    assert "ValueError" in kernel.run("ClassPanel(618400)", "a")
    shown = kernel.run(f"import gc; gc.collect(); {look}", "b")
    # De outro teste, a porta pode ter uma conversa em TIME_WAIT; do __del__, não vem nada.
    assert "LISTEN" not in shown and shown.count("\n") == 1


def test_stop_and_rerun_leave_nothing_behind(teaching):
    address = teaching.panel.server.address
    with join(teaching, "Ana"):
        teaching.click("stop")
        teaching.wait(lambda panel: panel.state == "fechado")
        teaching.click("open", confirmed=True)
        teaching.wait(lambda panel: panel.state == "aberto nesta máquina")
        assert teaching.panel.server.address == address
    teaching.panel.close()
    teaching.panel.close()
    with EchoServer(*address):  # a porta ficou livre
        pass
    join_threads("ClassPanel", "SequenceDiagram", "Announcement")


def test_stopping_keeps_what_each_one_did_on_the_cards_and_in_the_record(teaching, tmp_path):
    with join(teaching, "Ana") as ana:
        ana.send("tchau")
        teaching.wait(lambda panel: panel.totals[2:4] == [2, 8])
        teaching.click("stop")
        teaching.wait(lambda panel: panel.state == "fechado")
    ((_, *card, _, _),) = teaching.panel.machines
    assert card == ["Ana", 0, 2, 8, "tchau"] and teaching.panel.totals[2:4] == [2, 8]
    record = teaching.panel.save(tmp_path / "turma.csv").read_text("utf-8-sig")
    assert "Ana;saiu: o servidor parou;2;8;tchau" in record


def test_new_class_starts_blank_and_the_record_of_the_last_one_is_saved(
    teaching, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with join(teaching, "Ana"):
        teaching.click("new_class")
        teaching.wait_notice("esperava o servidor parado")
        teaching.wait(lambda panel: panel.totals[2] == 1)
        teaching.click("select", key=teaching.panel.machines[0][0])
        teaching.click("stop")
        teaching.wait(lambda panel: panel.state == "fechado")
    teaching.click("new_class")
    teaching.wait_notice("Registro salvo em turma_")
    teaching.wait(lambda panel: panel.machines == [] and panel.totals == [0] * 5)
    assert teaching.panel.selected == "" and teaching.panel.diagram is None
    (saved,) = tmp_path.glob("turma_*.csv")
    assert "Ana;saiu: o servidor parou;1;3;Ana" in saved.read_text("utf-8-sig")
    teaching.click("open", confirmed=True)
    teaching.wait(lambda panel: panel.state == "aberto nesta máquina")
    with join(teaching, "Bia"):
        teaching.wait(lambda panel: panel.totals[:4] == [1, 1, 1, 3])
        assert teaching.names() == ["Bia"]
    record = teaching.panel.save(tmp_path / "bia.csv").read_text("utf-8-sig")
    assert "Bia" in record and "Ana" not in record


def test_stop_and_new_class_at_once_tell_who_left(teaching, tmp_path):
    with join(teaching, "Ana"):
        teaching.wait(lambda panel: panel.totals[2] == 1)
        with teaching.panel._turn:  # nada é olhado entre uma coisa e outra
            teaching.panel.stop()
            assert "A lista está vazia" in teaching.panel.new_class(tmp_path / "a.csv")
    assert "Ana;saiu: o servidor parou;1" in (tmp_path / "a.csv").read_text("utf-8-sig")
    teaching.panel._refresh()
    assert teaching.panel.machines == []
    assert teaching.panel.new_class(tmp_path / "b.csv") == "A lista já está vazia."
    assert not (tmp_path / "b.csv").exists()


def test_drawing_of_the_chosen_machine_goes_on_after_a_stop(teaching):
    with join(teaching, "Ana"):
        teaching.wait(lambda panel: panel.totals[2] == 1)
        key = teaching.panel.machines[0][0]
        teaching.click("select", key=key)
        teaching.click("stop")
        teaching.wait(lambda panel: panel.state == "fechado")
    teaching.click("open", confirmed=True)
    teaching.wait(lambda panel: panel.state == "aberto nesta máquina")
    assert teaching.panel.diagram.trace is teaching.panel.trace.of(key)


def test_panel_that_lost_its_port_to_another_says_so(teaching):
    with EchoServer(*teaching.panel.server.address):
        teaching.wait_notice("outro servidor deste notebook ficou com a porta")


@pytest.mark.skipif(sys.platform == "win32", reason="o limite é do Unix")
def test_record_that_does_not_fit_leaves_nothing_half_made(teaching, tmp_path):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            teaching.panel.save(tmp_path / "turma.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [7, b"Eco"])
def test_name_is_a_text(name):
    with pytest.raises(ValueError, match="esperava um nome, em texto; recebi"):
        ClassPanel(0, name=name)


def test_new_class_that_cannot_be_saved_forgets_nothing(teaching, tmp_path):
    with join(teaching, "Ana"):
        teaching.wait(lambda panel: panel.totals[2] == 1)
    teaching.panel.stop()
    with pytest.raises(FileNotFoundError) as caught:
        teaching.panel.new_class(tmp_path / "não existe" / "turma.csv")
    assert "a pasta não existe. Escolha outro lugar" in caught.value.__notes__[0]
    assert teaching.names() == ["Ana"] and teaching.panel.totals[2] == 1


def test_blocked_machine_is_hidden_until_it_may_come_back(teacher, tmp_path):
    word = "palavrão".encode()
    client = Client(("10.0.0.7", 50_000), monotonic(), 1, len(word), word, word)
    panel, hear = teacher.panel, teacher.panel._roster.update
    with panel._turn:  # a thread do painel também põe a turma em dia
        hear([client], [])
        assert panel.block("10.0.0.7") == "Bloqueado: 10.0.0.7."
        assert panel._picture()["machines"] == [["10.0.0.7", "", 0, 0, 0, "", 0, True]]
        assert panel.unblock("Ana") == "Ana não estava bloqueado."
        panel.server.unblock("10.0.0.7")  # por fora do painel: o cartão ainda espera o dele
        assert panel.unblock("10.0.0.7") == "Desbloqueado: 10.0.0.7 pode conectar de novo."
        hear([client], [])  # ainda não acabou de sair
        assert panel._roster.machines[0].name == ""
        hear([replace(client, since=monotonic(), first=b"Ana", last=b"Ana")], [])
        assert panel._roster.machines[0].name == "Ana"
        hear([], [Entry(1, 1.0, client.address, "saiu: bloqueado por este servidor", client)])
        record = panel.save(tmp_path / "turma.csv").read_text("utf-8-sig")
    assert "palavrão;saiu: bloqueado" in record and "Ana;saiu" not in record
    assert panel.block("10.0.0.9") == "10.0.0.9 já não está aqui."


def test_who_shares_the_machine_of_the_teacher_is_not_blocked(teaching):
    with join(teaching, "Ana") as ana:
        teaching.wait(lambda panel: panel.totals[2] == 1)
        teaching.click("block", key=teaching.panel.machines[0][0])
        teaching.wait_notice("só dá para desconectar")
        assert ana.send("ainda aqui") == "ainda aqui"


CLASS = """
from echo_lib import ClassPanel, EchoClient
painel = ClassPanel({port}, host="127.0.0.1", name="{name}")
print(painel.share(confirmed=True).partition(".")[0], painel.server.address[1])
"""


def test_panel_run_again_keeps_the_class_and_its_record(kernel, tmp_path):
    kernel.run(f"import os; os.chdir({str(tmp_path)!r})")
    rerun = CLASS.format(port=0, name="Eco")
    first = kernel.run(rerun, "rerun")
    kernel.run("velho, ana = painel, EchoClient(*painel.server.address).connect(); ana.send('Ana')")
    assert kernel.run(rerun, "rerun") == first
    look = "print(velho.comm, velho.server is painel.server, ana.send('ainda aqui'))"
    assert kernel.run(look) == "None True ainda aqui\n"
    rows = "painel._refresh(); print([row[1] for row in painel.machines], painel.totals[2])"
    assert kernel.run(rows) == "['Ana'] 2\n"
    kernel.run("velho.close(); ana.send('e agora')")  # já não é o dele
    assert "este foi encerrado" in kernel.run("velho.share(confirmed=True)")
    other = kernel.run("from echo_lib import ClientPanel; ClientPanel();" + rerun, "rerun")
    assert other == first
    assert kernel.run("print(ana.send('e outra célula'))") == "e outra célula\n"
    wrong = kernel.run(rerun.replace("0, host", "618400, host"), "rerun")
    (saved,) = tmp_path.iterdir()
    assert (
        "ValueError" in wrong and f"registro da turma anterior foi salvo em {saved.name}" in wrong
    )
    assert "Ana;saiu" not in saved.read_text("utf-8-sig")  # salvo antes de o servidor parar
    assert "Ana;conectado agora;4" in saved.read_text("utf-8-sig")
    assert kernel.run("print(painel.server.running)") == "False\n"
    kernel.run(f"ana.close(); os.chdir({str(ROOT)!r})")


def test_kernel_that_ends_with_the_class_there_keeps_the_record(tmp_path):
    manager, client = start_kernel(tmp_path)
    try:
        kernel = Kernel(client)
        kernel.run(CLASS.format(port=0, name="Eco"))
        kernel.run("ana = EchoClient(*painel.server.address).connect(); ana.send('Ana')")
        kernel.run("painel._refresh()")
        manager.shutdown_wait_time = TIMEOUT  # numa máquina ocupada, não o matar antes do fim
        manager.shutdown_kernel()  # como o menu Reiniciar o kernel
        (record,) = tmp_path.glob("turma_*.csv")
        assert "Ana;conectado agora;1" in record.read_text("utf-8-sig")
    finally:
        stop_kernel(manager, client)


def test_record_already_saved_or_let_go_is_not_saved_again_at_the_end(
    teaching, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with join(teaching, "Ana") as ana:
        teaching.wait(lambda panel: teaching.names() == ["Ana"])
        teaching.panel.save("a.csv")
        class_panel._save_before_the_end()
        assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
        ana.send("mais")
        class_panel._save_before_the_end()
        assert len([*tmp_path.iterdir()]) == 2
    teaching.panel.close()
    class_panel._save_before_the_end()
    assert len([*tmp_path.iterdir()]) == 2


def test_each_panel_of_a_cell_keeps_its_class_and_what_was_clicked_is_done(kernel):
    kernel.run("from echo_lib import ClassPanel; here = '127.0.0.1'")
    kernel.run("from echo_lib.network import next_free_port, spare_port; p = spare_port()")
    kernel.run("q = next_free_port(here, p + 1)")
    two = "a, b, c = (ClassPanel(port, host=here) for port in (p, q, q))"
    kernel.run(two, "dois")
    opened = "print([panel.server.running for panel in (a, b, c)])"
    kernel.run("a.share(confirmed=True); c.share(confirmed=True);", "abrir")
    kernel.run("from echo_lib import ClientPanel; ClientPanel();", "abrir")  # outra coisa, ali
    kernel.run(two, "dois")
    assert kernel.run(opened) == "[True, True, False]\n"  # dos dois da mesma porta, o que abriu
    kernel.run("a._handle_custom_msg({'command': 'stop'}, []);" + two, "dois")
    assert kernel.run(opened) == "[False, True, False]\n"
    kernel.run("for panel in (a, b, c): panel.close()")


def test_closed_panel_run_again_starts_a_new_class(kernel):
    rerun = CLASS.format(port=0, name="Eco")
    kernel.run(rerun, "outra")
    kernel.run("velho = painel; velho.close()")
    kernel.run(rerun, "outra")
    assert kernel.run("print(velho.server is painel.server, painel.server.running)") == (
        "False True\n"
    )
    kernel.run("painel.close()")


def test_cell_whose_port_was_refused_works_once_it_is_corrected(kernel):
    kernel.run("from echo_lib import ClassPanel")
    assert "ValueError" in kernel.run("painel = ClassPanel(618400)", "corrigida")
    assert kernel.run("painel = ClassPanel(0, host='127.0.0.1')", "corrigida") == ""
    kernel.run("painel.close()")


def test_cell_stopped_in_the_middle_of_the_panel_works_when_run_again(kernel):
    kernel.run("from echo_lib.panels.class_panel import ClassPanel; usual = ClassPanel._picture")
    kernel.run("def stopped(panel): ClassPanel._picture = usual; raise KeyboardInterrupt")
    kernel.run("ClassPanel._picture = stopped")
    rerun = "painel = ClassPanel(0, host='127.0.0.1')"
    assert "KeyboardInterrupt" in kernel.run(rerun, "parada")
    assert kernel.run(rerun, "parada") == ""
    kernel.run("painel.close()")


def test_port_taken_is_explained_on_the_page_and_can_be_tried_again():
    with socket.create_server((HERE, 0)) as taken:
        teacher = Teacher()
        teacher.panel.server._port = taken.getsockname()[1]
        teacher.click("open", confirmed=True)
        teacher.wait_notice("já está em uso")
    teacher.click("open", confirmed=True)
    teacher.wait(lambda panel: panel.state == "aberto nesta máquina")
    teacher.panel.close()


def test_panel_closed_while_it_opens_leaves_nothing_open(monkeypatch):
    teacher, starting, closed = Teacher(), threading.Event(), threading.Event()
    start = teacher.panel.server.start

    def slow():
        starting.set()
        assert closed.wait(TIMEOUT)
        return start()

    monkeypatch.setattr(teacher.panel.server, "start", slow)
    teacher.click("open", confirmed=True)
    assert starting.wait(TIMEOUT)
    teacher.panel.close()
    closed.set()
    join_threads("ClassPanel")
    assert not teacher.panel.server.running


def test_system_that_does_not_answer_once_does_not_end_the_panel(teaching, monkeypatch):
    def denied():
        monkeypatch.undo()
        raise PermissionError("não pode")

    monkeypatch.setattr("echo_lib.panels.class_panel.addresses", denied)
    teaching.panel._next_look = 0.0
    teaching.wait_notice("Não deu certo. não pode")
    teaching.click("stop")
    teaching.wait(lambda panel: panel.state == "fechado")


def test_record_that_cannot_be_saved_is_explained(teaching, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "turma.csv").touch()
    monkeypatch.setattr(
        teaching.panel, "save", lambda: ClassPanel.save(teaching.panel, "turma.csv")
    )
    teaching.click("save")
    teaching.wait_notice("Não foi possível gravar turma.csv: já existe.")


def test_message_that_makes_no_sense_is_ignored(teaching):
    for content in ({}, {"command": "select", "key": 5}, {"command": "disconnect"}, None, []):
        teaching.panel._handle_custom_msg(content, [])
    with join(teaching, "Ana"):
        teaching.wait(lambda panel: teaching.names() == ["Ana"])


def test_record_is_a_spreadsheet_that_runs_nothing(teaching, tmp_path):
    with join(teaching, "=1+1;\n\x1b[2J"), join(teaching, "João,＝2") as joao:
        joao.send("@soma")
        teaching.wait(lambda panel: panel.totals[2] == 3)
        teaching.click("disconnect", key=teaching.panel.machines[1][0])
        teaching.wait(lambda panel: panel.totals[0] == 1)
        file = teaching.panel.save(tmp_path / "turma.csv")
        with pytest.raises(FileExistsError):
            teaching.panel.save(file)
    with file.open(encoding="utf-8-sig", newline="") as text:
        header, *rows = csv.reader(text, delimiter=";")
    assert header[:5] == ["hora", "máquina", "porta", "nome", "acontecimento"]
    whole = [(row[3], row[4], row[5], row[7]) for row in rows]
    assert ("'=1+1;", "conectado agora", "1", "'=1+1;\\n\\x1b[2J") in whole
    assert ("João,'＝2", "saiu: desconectado por este servidor", "2", "'@soma") in whole
    assert all(row[1] == HERE and row[2].isdigit() and row[0].startswith("20") for row in rows)


def client(host, port, first=b"", messages=0):
    return Client((host, port), 0.0, messages, len(first) * messages, first, first)


def test_only_a_real_and_short_diagnosis_is_not_a_person():
    probe = f"{PROBE}0123abcd\n".encode()
    now = monotonic()
    clients = [
        replace(client("10.0.0.1", 1, probe, 1), since=now),
        replace(client("10.0.0.2", 1, f"{PROBE}oi".encode(), 1), since=now),  # só começa igual
        replace(client("10.0.0.3", 1, probe, 2), since=now),  # continuou a falar
        replace(client("10.0.0.4", 1, probe, 1), since=now - 60),  # ficou
    ]
    roster = Roster()
    roster.update(clients, [Entry(1, 0.0, ("10.0.0.5", 1), "saiu", clients[0])])
    assert [machine.key for machine in roster.machines] == ["10.0.0.2", "10.0.0.3", "10.0.0.4"]


def test_roster_counts_by_machine_and_keeps_the_first_name_of_each_person():
    roster = Roster()
    roster.own = {"10.0.0.1"}
    own = [client("10.0.0.1", 1), client("10.0.0.1", 2)]
    roster.update([client("10.0.0.2", 5, b"Ana", 1), client("10.0.0.2", 6, b"outra", 1), *own], [])
    assert [m.key for m in roster.machines] == ["10.0.0.2", "10.0.0.1:1", "10.0.0.1:2"]
    assert (roster.machines[0].name, roster.machines[0].messages) == ("Ana, outra", 2)
    gone = Entry(1, 5.0, ("10.0.0.2", 5), "saiu", client("10.0.0.2", 5, b"Ana", 3))
    roster.update([client("10.0.0.2", 6, b"outra", 1)], [gone])
    roster.update([client("10.0.0.2", 6, b"outra", 1)], [gone])  # o mesmo acontecimento, uma vez
    assert (roster.machines[0].name, roster.machines[0].messages) == ("Ana", 4)


@pytest.mark.parametrize(
    ("first", "last", "name"),
    [
        (b"teste", b"nome: Diana Souza", "Diana Souza"),
        (b"teste", b"NOME:\xc3\x89rica\n", "Érica"),
        (b"Ana", b"nome:", "Ana"),
        (b"Ana", b"meu nome: Ana", "Ana"),
        (b"   ", b"depois do branco", "depois do branco"),
        (b"  \n", b" ", ""),
        (
            b"\x1b[31mVermelho\x1b[0m\x1b[0m",
            b"",
            r"\x1b[31mVermelho\x1b[0m",
        ),  # o escape não cabe inteiro
        (b"a" * 30, b"", "a" * 24),
        (b"Gil Reis\r\nbom dia\r\n", b"", "Gil Reis"),
        (b"oi", b"bom dia\nnome: Gil Reis\n", "Gil Reis"),
        ("Jose\u0301".encode(), b"", "José"),  # o acento à parte é o mesmo nome
        ("Dani\u200d\ufe0f\U000e0101".encode(), b"", "Dani"),
        ("\u200d\ufe0f\u180b".encode(), b"", ""),  # nada se vê
        ("👩\u200d💻❤\ufe0f👍🏽\u200d".encode(), b"", "👩\u200d💻❤\ufe0f👍🏽"),
    ],
)
def test_name_is_what_was_asked_or_the_first_thing_said(first, last, name):
    said = replace(client("10.0.0.2", 5, first, 1), last=last or first)
    roster = Roster()
    roster.update([said], [])
    assert roster.machines[0].name == name
    roster.update([], [Entry(1, 5.0, ("10.0.0.2", 5), "saiu", said)])
    roster.update([client("10.0.0.2", 6, b"oi prof", 1)], [])  # voltou sem dizer o nome
    assert roster.machines[0].name == (name or "oi prof")


def test_names_of_a_pair_are_of_each_one_and_the_card_keeps_the_first():
    roster = Roster()
    machine = partial(client, "10.0.0.2")

    def shown(*clients, gone=()):
        log = [Entry(n, 1.0, c.address, "saiu", c) for n, c in gone]
        roster.update(list(clients), log)
        return roster.machines[0].name

    ana, bia = machine(5, b"teste", 1), machine(6, b"Bia", 1)
    assert shown(ana, bia) == "teste, Bia"
    assert shown(replace(ana, messages=2, last=b"nome: Ana"), bia) == "Ana, Bia"
    ana = replace(ana, messages=3, last=b"oi")
    assert shown(ana, bia) == "Ana, Bia"
    bia = replace(bia, messages=2, last=b"nome: Beatriz")
    assert shown(ana, bia) == "Ana, Beatriz"
    assert shown(ana, gone=[(1, bia)]) == "Ana"
    assert shown(gone=[(2, ana)]) == "Ana"
    back = machine(7, b"oi prof", 1)
    assert shown(back) == "Ana"  # voltou sem dizer o nome
    crowd = [machine(port, f"nome {port}".encode(), 1) for port in range(10, 42)]
    assert shown(*crowd, gone=[(3, back)]) == "Ana, nome 11, nome 12 e mais 29"


def test_who_comes_back_to_a_machine_keeps_its_name_even_beside_another(tmp_path):
    roster, log = Roster(), []
    machine = partial(client, "10.0.0.2")
    eva = machine(5, b"Eva Souza", 1)
    roster.update([eva], log)
    log += [Entry(1, 1.0, eva.address, "saiu", eva)]
    again = machine(6, "olá professora".encode(), 1)
    roster.update([again, machine(7, b"testando", 1)], log)
    assert roster.machines[0].name == "Eva Souza, testando"
    log += [Entry(2, 1.0, again.address, "saiu", again)]
    roster.update([machine(7, b"testando", 1), machine(8, b"voltei", 1)], log)
    assert roster.machines[0].name == "Eva Souza, testando"
    roster.save(tmp_path / "a.csv")
    text = (tmp_path / "a.csv").read_text("utf-8-sig")
    assert [line.split(";")[3] for line in text.splitlines()[1:]] == [
        *["Eva Souza"] * 2,
        *["testando", "Eva Souza"],
    ]


def test_pair_that_comes_back_in_another_order_keeps_both_names(tmp_path):
    roster, machine = Roster(), partial(client, "10.0.0.2")
    pair = [machine(5, b"Ana", 1), machine(6, b"Bia", 1)]
    roster.update(pair, [])
    log = [Entry(n, 1.0, c.address, "saiu", c) for n, c in enumerate(pair, 1)]
    bia, ana = machine(7, b"Bia", 1), machine(8, b"Ana", 1)
    roster.update([bia], log)
    roster.update([bia, ana], log)
    assert roster.machines[0].name == "Ana, Bia"
    roster.save(tmp_path / "a.csv")
    text = (tmp_path / "a.csv").read_text("utf-8-sig")
    assert "10.0.0.2;7;Bia;conectado agora" in text and "10.0.0.2;8;Ana;conectado agora" in text


def test_letter_cut_where_the_server_stopped_keeping_is_not_shown():
    roster = Roster()
    data = ("a" + "😀" * 60).encode()[:KEPT_BYTES]
    roster.update([client("10.0.0.2", 5, data, 1), client("10.0.0.3", 5, b"a\xf0\x9f", 1)], [])
    assert roster.machines[0].last == "a" + "😀" * 49
    assert roster.machines[1].last == "a\N{REPLACEMENT CHARACTER}"  # este enviou meia letra


def test_card_shows_what_was_said_last_whoever_came_last():
    roster, log = Roster(), []
    machine = partial(client, "10.0.0.2")
    eva, tadeu = machine(5, b"Eva", 1), machine(6, b"Tadeu", 1)
    roster.update([eva, tadeu], log)
    eva = replace(eva, messages=2, last=b"falei depois")
    roster.update([eva, tadeu], log)
    roster.update([eva, tadeu], log)
    assert roster.machines[0].last == "falei depois"
    log += [Entry(1, 1.0, tadeu.address, "saiu", tadeu)]
    roster.update([eva], log)
    assert roster.machines[0].last == "falei depois"
    roster.update([eva, machine(6, b"oi", 1)], log)  # a mesma porta, outra conversa
    assert roster.machines[0].last == "oi"


def test_record_names_each_one_of_a_pair(tmp_path):
    roster = Roster()
    pair = [client("10.0.0.2", 5, b"Ana", 1), client("10.0.0.2", 6, b"Bia", 1)]
    roster.update(pair, [])
    roster.update([], [Entry(n, 1.0, c.address, "saiu", c) for n, c in enumerate(pair, 1)])
    roster.save(tmp_path / "a.csv")
    text = (tmp_path / "a.csv").read_text("utf-8-sig")
    assert "10.0.0.2;5;Ana;saiu" in text and "10.0.0.2;6;Bia;saiu" in text


def saved(roster, path):
    """Porta, nome e acontecimento de cada linha do registro."""
    roster.save(path)
    rows = path.read_text("utf-8-sig").splitlines()[1:]
    return [tuple(row.split(";")[2:5]) for row in rows]


def test_record_names_who_entered_as_who_left(tmp_path):
    roster = Roster()
    ana, caio, bia = (
        client("10.0.0.2", *who, 1) for who in [(5, b"Ana"), (6, b"Caio"), (6, b"Bia")]
    )
    log = [Entry(1, 1.0, ana.address, "entrou"), Entry(2, 2.0, caio.address, "entrou")]
    roster.update([ana, caio], log)
    log += [Entry(3, 3.0, caio.address, "saiu", caio), Entry(4, 4.0, bia.address, "entrou")]
    roster.update([ana, bia], log)  # a mesma porta, outra conversa
    log += [Entry(5, 5.0, bia.address, "saiu", bia)]
    roster.update([ana], log)
    assert saved(roster, tmp_path / "a.csv") == [
        ("5", "Ana", "entrou"),
        ("6", "Caio", "entrou"),
        ("6", "Caio", "saiu"),
        ("6", "Bia", "entrou"),
        ("6", "Bia", "saiu"),
        ("5", "Ana", "conectado agora"),
    ]


def test_who_takes_the_seat_of_another_does_not_take_the_rows(tmp_path):
    roster = Roster()
    ana, bia = client("10.0.0.2", 5, b"Ana", 1), client("10.0.0.2", 6, b"Bia", 1)
    log = [Entry(1, 1.0, ana.address, "saiu", ana)]
    roster.update([], log)
    roster.update([bia], log)
    assert roster.machines[0].name == "Ana"  # até que diga que é outra
    bia = replace(bia, messages=2, last=b"nome: Bia")
    roster.update([bia], log)
    assert roster.machines[0].name == "Bia"
    bia = replace(bia, messages=3, last=b"nome: Beatriz")  # a mesma, que se corrige
    log += [Entry(2, 2.0, bia.address, "saiu", bia)]
    roster.update([], log)
    again = client("10.0.0.2", 7, b"oi", 1)
    roster.update([again], log)
    assert saved(roster, tmp_path / "a.csv") == [
        ("5", "Ana", "saiu"),
        ("6", "Beatriz", "saiu"),
        ("7", "Beatriz", "conectado agora"),
    ]


def test_diagnosis_seen_before_it_spoke_leaves_no_card():
    probe, oi = f"{PROBE}0123abcd\n".encode(), client("10.0.0.3", 5, b"oi", 1)
    roster, log = Roster(), []
    for number, host in enumerate(("10.0.0.2", "10.0.0.3"), 1):
        roster.update([client(host, 6), oi], log)  # aceito, e ainda calado
        log += [Entry(number, 1.0, (host, 6), "saiu", client(host, 6, probe, 1))]
        roster.update([oi], log)
    assert [machine.key for machine in roster.machines] == ["10.0.0.3"]


def test_diagnosis_does_not_move_the_card_of_who_is_here_in_silence():
    roster = Roster()
    here, other = (Client((host, 1), 0.0, 0, 0, b"", b"") for host in ("10.0.0.2", "10.0.0.3"))
    roster.update([here, other], [])
    probe = PROBE.encode() + b"0123abcd\n"
    visit = Client(("10.0.0.2", 2), 0.0, 1, len(probe), probe, probe)
    roster.update([here, other], [Entry(1, 0.0, visit.address, "saiu", visit)])
    assert [machine.key for machine in roster.machines] == ["10.0.0.2", "10.0.0.3"]


def test_refusals_are_counted_even_before_who_was_refused_is_seen():
    roster = Roster()
    refusals = ["recusado: este endereço já tem 32 clientes", "recusado mais 3 vezes"]
    entries = [Entry(n, 1.0, ("10.0.0.2", 0), what) for n, what in enumerate(refusals, 1)]
    roster.update([client("10.0.0.2", 5, b"Ana", 1)], entries)
    assert roster.machines[0].refused == 4


def test_cards_of_the_gone_are_bounded_but_the_record_keeps_everybody(tmp_path):
    roster = Roster()
    hosts = [f"10.0.{n // 200}.{n % 200}" for n in range(300)]
    gone = [client(host, 5, b"oi", 1) for host in hosts]
    roster.update([], [Entry(n + 1, 1.0, c.address, "saiu", c) for n, c in enumerate(gone)])
    assert [machine.key for machine in roster.machines] == hosts[200:]
    roster.save(tmp_path / "a.csv")
    assert all(f";{host};5;oi;saiu;1;2;oi" in (tmp_path / "a.csv").read_text() for host in hosts)


def test_refusals_and_diagnoses_are_not_people(teaching):
    refused = Entry(1, 1.0, ("10.0.0.7", 0), "recusado mais 3 vezes")
    roster = Roster()
    roster.update([], [refused])
    assert roster.machines == []
    assert diagnose(*teaching.panel.server.address).ok
    with join(teaching, "Ana"):
        teaching.wait(lambda panel: teaching.names() == ["Ana"])


def test_crowd_on_one_machine_does_not_push_others_out_of_the_record(tmp_path):
    roster = Roster()
    roster.update([], [Entry(1, 1.0, ("10.0.0.7", 9), "entrou")])
    for start in range(2, 5000, 1000):
        entries = [Entry(n, 2.0, ("10.0.0.8", n), "entrou") for n in range(start, start + 1000)]
        roster.update([], entries)
    roster.save(tmp_path / "a.csv")
    text = (tmp_path / "a.csv").read_text("utf-8-sig")
    assert "10.0.0.7;9" in text and text.count("10.0.0.8") == 500
