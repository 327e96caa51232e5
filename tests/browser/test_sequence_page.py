"""O diagrama num JupyterLab de verdade: ao vivo, repetido, parado, reaberto."""

import time
import xml.etree.ElementTree as ElementTree

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import CLOSE_TABS, act_until_visible, use_theme, violations
from tests.common import TIMEOUT

LOAD = "%load_ext echo_lib\nimport socket, threading\nfrom echo_lib import SequenceDiagram, Trace"
TALK = """%%rastrear
s = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(s.getsockname(), timeout=5)
conn, addr = s.accept()
c.sendall("olá, ção 🗣️".encode())
conn.recv(1024)"""
CLOSE = "for x in (c, conn, s): x.close()"
THREADS = "print([t.name for t in threading.enumerate()].count('SequenceDiagram'), 'thread')"


@pytest.fixture
def open_lab(lab, page):
    """Abre um caderno com a célula que carrega a extensão já executada."""
    pages = []

    def open(name, *cells):
        page.on("pageerror", lambda error: pages.append(error))
        notebook = lab.open(page, name, LOAD, *cells)
        notebook.run(0)
        return notebook

    yield open
    assert [error for error in pages if "echo" in str(error)] == []


def diagram(notebook):
    return notebook.view.get_by_role("region", name="Diagrama de sequência")


def calls(notebook):
    return diagram(notebook).get_by_role("listbox").get_by_role("option")


def go_to_the_start(drawing, text):
    """Clica em “Início”; de novo, se a saída foi refeita sob o clique, como no fim da célula."""
    act_until_visible(drawing.get_by_role("button", name="Início").click, drawing.get_by_text(text))


def expect_last(notebook, text):
    expect(calls(notebook).last).to_contain_text(text)


def test_student_code_is_drawn_while_the_cell_still_runs(open_lab):
    wait = f"\nthreading.Event().wait({TIMEOUT * 3})"
    notebook = open_lab("ao-vivo", TALK + wait, CLOSE)
    notebook.run(1)
    expect_last(notebook, "conn 1 recv(1024)→ 19 bytes")
    expect(notebook.view.get_by_text("[*]:")).to_be_visible()
    notebook.page.get_by_role("button", name="Interromper kernel").click()
    expect(notebook.view.get_by_text("[*]:")).to_have_count(0)
    notebook.run(2)
    expect_last(notebook, "escuta close()")  # o que ficou aberto continua rastreado


def test_two_views_of_one_trace_each_with_its_own_state(open_lab):
    code = "with Trace() as t:\n    s = socket.create_server(('127.0.0.1', 0))\n"
    code += "display(SequenceDiagram(t), SequenceDiagram(t))"
    notebook = open_lab("duas", code, "s.close()")
    notebook.run(1)
    first, second = (diagram(notebook).nth(i) for i in (0, 1))
    expect(second.get_by_text("2 chamadas.")).to_be_visible()
    go_to_the_start(first, "1 de 2 chamadas.")
    notebook.run(2)
    expect(first.get_by_text("1 de 3 chamadas.")).to_be_visible()
    expect(second.get_by_text("3 chamadas.")).to_be_visible()


def test_burst_of_ten_thousand_events_reaches_the_page_and_it_stays_usable(open_lab):
    burst = (
        "for _ in range(2500):\n    c.sendall(b'x'); conn.recv(9); conn.sendall(b'y'); c.recv(9)"
    )
    notebook = open_lab("rajada", TALK.replace("conn.recv(1024)", burst), CLOSE)
    notebook.run(1)
    text = "10.000 chamadas; as 5 mais antigas já foram descartadas."
    expect(diagram(notebook).get_by_text(text)).to_be_visible()
    assert calls(notebook).count() < 60
    go_to_the_start(diagram(notebook), "1 de 10.000 chamadas")
    notebook.run(2)


DISCONNECTED = ".jupyter-widgets-disconnected"


def test_kernel_restarted_with_the_page_open_leaves_the_drawing_readable(open_lab):
    notebook = open_lab("reiniciado", f"{TALK}\n{CLOSE}\nprint('texto')")
    notebook.run(1)
    notebook.expect_output("texto")
    expect_last(notebook, "escuta close()")
    notebook.page.get_by_role("button", name="Reiniciar kernel", exact=True).click()
    notebook.page.get_by_role("dialog").get_by_role("button").last.click()
    expect(notebook.page.get_by_text("| Idle")).to_be_attached()
    expect(diagram(notebook)).to_be_visible()
    expect(notebook.view.locator(DISCONNECTED)).to_have_count(1)  # o texto não perdeu nada
    go_to_the_start(diagram(notebook), "1 de 9 chamadas.")
    notebook.run(0)
    notebook.run(1)
    expect_last(notebook, "escuta close()")


def save_widgets(notebook, path):
    """Salva o notebook até que o que os seus widgets mostram esteja no arquivo."""
    deadline = time.monotonic() + TIMEOUT
    while "escuta" not in str(nbformat.read(path, 4).metadata):
        assert time.monotonic() < deadline, "o estado do widget não foi salvo com o caderno"
        notebook.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")


def test_notebook_reopened_shows_the_same_drawing_with_its_kernel_or_without(open_lab, lab):
    notebook = open_lab("reaberto", f"{TALK}\n{CLOSE}")
    notebook.run(1)
    expect_last(notebook, "escuta close()")
    save_widgets(notebook, lab.folder / "reaberto.ipynb")
    notebook.page.reload()
    expect_last(notebook, "escuta close()")
    notebook.page.evaluate(CLOSE_TABS)
    lab.show(notebook.page, "reaberto")
    expect_last(notebook, "escuta close()")
    go_to_the_start(diagram(notebook), "1 de 9 chamadas.")


# O jupyterlab_widgets procura o desenho a cada 100 ms por 2 s, e não olha depois da última espera.
# Com esperas longas, como as de uma aba escondida, é nela que o kernel sempre fica pronto.
LATE_TIMERS = """() => {
  window.plainTimeout = window.setTimeout;
  window.setTimeout = (f, ms, ...rest) => plainTimeout(f, ms === 100 ? 5000 : ms, ...rest);
}"""


def test_drawing_whose_kernel_was_ready_a_moment_too_late_still_comes(open_lab, lab):
    notebook = open_lab("atrasado", f"{TALK}\n{CLOSE}")
    notebook.run(1)
    expect_last(notebook, "escuta close()")
    save_widgets(notebook, lab.folder / "atrasado.ipynb")
    notebook.page.evaluate(CLOSE_TABS)
    notebook.page.evaluate(LATE_TIMERS)
    lab.show(notebook.page, "atrasado")
    expect_last(notebook, "escuta close()")
    notebook.page.evaluate("window.setTimeout = plainTimeout")


def test_drawing_that_no_longer_exists_says_so_in_portuguese(open_lab):
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "a" * 32}}
    notebook = open_lab("perdido", f"display({view}, raw=True)")
    notebook.run(1)
    lost = notebook.view.get_by_text("não foi gravado com o notebook: execute a célula de novo.")
    expect(lost).to_be_visible()


def test_a_capture_is_drawn_and_saved_as_svg(open_lab):
    code = "from echo_lib import capture\nSequenceDiagram(capture.read('capturas/perda'))"
    notebook = open_lab("captura", code)
    notebook.run(1)
    expect(diagram(notebook).get_by_text("20 segmentos.")).to_be_visible()
    text = saved_svg(notebook)
    assert "4 bytes “dois” seq=3 ✗" in text and "20 segmentos" in text


def saved_svg(notebook):
    """O texto do desenho que o botão salva, como um leitor de XML o vê."""
    with notebook.page.expect_download() as saved:
        diagram(notebook).get_by_role("button", name="Salvar SVG").click()
    return "".join(ElementTree.parse(saved.value.path()).getroot().itertext())


@pytest.fixture(scope="module")
def finished(lab, module_page):
    """Um caderno cuja conversa já acabou, na página que os testes acima deixaram."""
    notebook = lab.open(module_page, "acabada", LOAD, f"{TALK}\n{CLOSE}", THREADS)
    for cell in (0, 1):
        notebook.run(cell)
    expect_last(notebook, "escuta close()")
    return notebook


def test_running_again_leaves_one_diagram_and_one_thread(finished):
    for _ in range(3):
        finished.run(1)
        expect_last(finished, "escuta close()")
        expect(diagram(finished)).to_have_count(1)
    finished.run(2)
    finished.expect_output("1 thread")


def test_export_saves_the_drawing_as_svg(finished):
    words = saved_svg(finished)
    assert "SYN + ACK" in words and "“olá, ção 🗣️”" in words
    expect(diagram(finished).get_by_role("status").first).to_contain_text("diagrama.svg")


def test_axe_finds_nothing_in_either_theme(finished):
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        use_theme(finished.page, theme)
        calls(finished).last.click()
        expect(diagram(finished).get_by_text("escuta: close()")).to_be_visible()
        assert violations(finished.page, ".echo-sequence") == []
