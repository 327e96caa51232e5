"""A lição 05 como o aluno a vê: cliques, teclas e o texto que aparece na tela."""

import re
import shutil

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import CLOSE_TABS, act_until_visible, use_theme, violations
from tests.common import ROOT, TIMEOUT

MESSAGE = "olá, ção 🗣️"
PANEL = "painel = ClientPanel"


class Lesson:
    """Uma lição aberta no JupyterLab."""

    def __init__(self, page, lab, name):
        self.page = page
        self.cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
        # A primeira lição, se demorasse a abrir, tomaria a frente da que se vai clicar.
        first = lab.show(page, "00_comece_aqui")
        expect(first.get_by_role("heading", level=1)).to_be_visible()
        self.view = page.get_by_role("tabpanel", name=re.compile(name))
        # Se a lista de arquivos é redesenhada entre os dois cliques, o JupyterLab não os vê.
        act_until_visible(page.get_by_role("listitem", name=re.compile(name)).dblclick, self.view)
        self.view.get_by_role("heading", level=1).click()
        expect(page.get_by_text("| Idle")).to_be_attached()

    def run_until(self, source):
        """Shift+Enter desde a primeira célula até a que contém `source`."""
        last = next(i for i, c in enumerate(self.cells) if source in c.source)
        self.view.get_by_role("heading", level=1).click()
        for key in ["Escape"] + ["Shift+Enter"] * (last + 1):
            self.page.keyboard.press(key)

    def run(self, code):
        """Executa de novo a célula do painel, ou uma célula nova embaixo dela."""
        self.view.get_by_text(PANEL).click()
        if code != PANEL:
            for key in ("Escape", "b", "Enter"):
                self.page.keyboard.press(key)
            self.page.keyboard.insert_text(code)
        self.page.keyboard.press("Control+Enter")

    def expect_output(self, text):
        expect(self.view.get_by_text(text, exact=True).last).to_be_visible()


@pytest.fixture(scope="module")
def lesson(module_page, lab):
    opened = Lesson(module_page, lab, "05_conversa")
    opened.run_until(PANEL)
    expect(module_page.get_by_role("region", name="Cliente de eco")).to_be_visible()
    return opened


@pytest.fixture
def panel(lesson):
    """O painel recém-executado, com o servidor de pé."""
    lesson.run(PANEL)
    panel = lesson.page.get_by_role("region", name="Cliente de eco")
    expect(panel.get_by_text("desconectado")).to_be_visible()
    expect(panel.get_by_role("log")).to_be_hidden()
    return panel


def connect(panel):
    panel.get_by_role("button", name="Conectar").click()
    expect(panel.get_by_role("status", name="Aviso")).to_contain_text("Conectado a 127.0.0.1")


def send(panel, text, key="Enter"):
    panel.get_by_label("Mensagem").fill(text)
    panel.get_by_label("Mensagem").press(key)


def test_kit_opens_in_portuguese_without_pop_ups(page, lab):
    page.goto(lab.url + "&reset")
    expect(page.get_by_role("heading", name="00 · Comece aqui")).to_be_visible()
    for menu in ("Arquivo", "Editar", "Executar", "Ajuda"):
        expect(page.get_by_role("menuitem", name=menu)).to_be_visible()
    expect(page.get_by_text("Modified")).to_have_count(0)  # essa coluna cortaria os nomes
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_lesson_opens_without_results_and_keeps_those_of_the_student(page, lab):
    shutil.copy(ROOT / "notebooks/00_comece_aqui.ipynb", lab.folder / "sem_resultados.ipynb")
    view = lab.show(page, "sem_resultados")
    results = view.locator(".jp-OutputArea-output")
    cell = view.locator(".jp-CodeCell", has_text="2 + 3")
    expect(cell).to_be_visible()
    expect(page.get_by_text("| Idle")).to_be_attached()
    expect(results).to_have_count(0)
    cell.get_by_role("textbox").click()
    page.keyboard.press("Control+Enter")
    expect(results).to_have_text(["5"])
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    page.evaluate(CLOSE_TABS)
    lab.show(page, "sem_resultados")
    expect(cell).to_be_visible()
    expect(results).to_have_text(["5"])


def test_results_that_another_program_saved_are_kept(page, lab):
    notebook = nbformat.read(ROOT / "notebooks/00_comece_aqui.ipynb", as_version=4)
    notebook.metadata.language_info.version = "3.13.0"
    nbformat.write(notebook, lab.folder / "de_outro_programa.ipynb")
    view = lab.show(page, "de_outro_programa")
    cell = view.locator(".jp-CodeCell", has_text="2 + 3")
    expect(page.get_by_text("| Idle")).to_be_attached()
    expect(cell.locator(".jp-OutputArea-output")).to_have_text("5")


def test_student_talks_in_the_panel_and_leaves_with_sair(lesson, panel):
    connect(panel)
    send(panel, MESSAGE)
    history = panel.get_by_role("log", name="Histórico da conversa")
    size = len(MESSAGE.encode())
    for step in ("mensagem.encode()", "s.sendall(mensagem.encode())", "s.recv(1024)"):
        expect(history).to_contain_text(f"{step} → {size} bytes: {MESSAGE.encode().hex(' ')}")
    expect(history).to_contain_text(f"dados.decode() → {MESSAGE}")
    expect(history).to_contain_text(re.compile(r"\(\d+,\d{3} ms\)"))
    expect(panel.get_by_label("Mensagem")).to_have_value("")
    expect(panel.get_by_label("Mensagem")).to_be_focused()
    send(panel, "sair")
    expect(panel.get_by_role("status", name="Aviso")).to_contain_text("Conversa encerrada")
    expect(history).to_contain_text("s.close()")
    expect(panel.get_by_role("button", name="Conectar")).to_be_visible()


def test_screen_reader_hears_each_answer_once_and_each_cell_once(lesson, panel):
    connect(panel)
    history = panel.get_by_role("log", name="Histórico da conversa")
    history.evaluate(
        """node => { window.heard = []; new MutationObserver(changes => changes.forEach(change =>
            change.addedNodes.forEach(added => heard.push(added.textContent)))
        ).observe(node, { subtree: true, childList: true }); }"""
    )
    for text in ("um", "dois"):
        send(panel, text)
        expect(history).to_contain_text(f"dados.decode() → {text}")
    assert [text[:4] for text in lesson.page.evaluate("heard")] == ["umme", "dois"]
    # O texto de uma célula de Markdown, com as respostas que ela dobra, não se lê antes da hora.
    tree = lesson.page.context.new_cdp_session(lesson.page).send("Accessibility.getFullAXTree")
    seen = [node for node in tree["nodes"] if not node["ignored"]]
    boxes = [node for node in seen if node["role"]["value"] == "textbox"]
    code = [cell for cell in lesson.cells if cell.cell_type == "code"]
    assert len(boxes) == len(code) + 3, "células e os campos do painel: Servidor, Porta, Mensagem"


def test_drawing_of_an_attempt_is_read_by_who_does_not_see_it(lesson, panel):
    connect(panel)
    lesson.run(
        "from IPython.display import SVG\nfrom echo_lib import SequenceDiagram\n"
        "SVG(SequenceDiagram(painel.trace).svg())"
    )
    picture = lesson.view.get_by_role("img", name="Diagrama de sequência:")
    expect(picture.last).to_have_accessible_name(re.compile(r"cliente 1: connect\(\('127.0.0.1', "))


def test_who_was_reading_above_sees_the_answer_to_what_is_sent(lesson, panel):
    connect(panel)
    history = panel.get_by_role("log", name="Histórico da conversa")
    for text in ("um", "dois", "três", "quatro"):
        send(panel, text)
        expect(history).to_contain_text(f"dados.decode() → {text}")
    history.evaluate("node => { node.scrollTop = 0; }")
    expect(history.get_by_text("quatro", exact=True)).not_to_be_in_viewport()
    send(panel, "cinco")
    expect(history.get_by_text("cinco", exact=True)).to_be_in_viewport()


def test_panel_works_by_keyboard_alone(lesson, panel):
    keyboard = lesson.page.keyboard
    cells = lesson.page.get_by_text(re.compile(r"^Cell \d+/\d+$")).inner_text()
    panel.get_by_label("Servidor", exact=True).focus()
    for name in ("Porta", "Conectar", "Mensagem", "Enviar"):
        keyboard.press("Tab")
        expect(panel.get_by_label(name).or_(panel.get_by_role("button", name=name))).to_be_focused()
    panel.get_by_role("button", name="Conectar").press("Enter")
    expect(panel.get_by_role("status", name="Aviso")).to_contain_text("Conectado a")
    expect(panel.get_by_label("Mensagem")).to_be_focused()  # o foco já está onde se escreve
    keyboard.type("add bb xx")  # atalhos do JupyterLab: aqui são só letras
    keyboard.press("Tab")
    expect(panel.get_by_label("Mensagem")).to_have_value("add bb xx")
    expect(panel.get_by_role("log")).not_to_contain_text("add")  # sair do campo não envia
    keyboard.press("Space")
    expect(panel.get_by_role("log")).to_contain_text("dados.decode() → add bb xx")
    expect(lesson.page.get_by_text(cells)).to_be_attached()


def test_double_click_connects_once_and_enter_in_a_field_leads_to_the_message(lesson, panel):
    panel.get_by_role("button", name="Conectar").dblclick()
    expect(panel.get_by_role("button", name="Desconectar")).to_be_visible()
    send(panel, MESSAGE)
    expect(panel.get_by_role("log")).to_contain_text(f"dados.decode() → {MESSAGE}")
    panel.get_by_role("button", name="Desconectar").click()
    expect(panel.get_by_role("button", name="Conectar")).to_be_visible()
    panel.get_by_label("Porta").press("Enter")
    expect(panel.get_by_label("Mensagem")).to_be_focused()


def test_double_click_on_an_answer_does_not_open_the_text_of_the_cell(lesson, panel):
    answer = lesson.view.locator("summary").first
    answer.dblclick()
    answer.dblclick()
    expect(answer).to_be_visible()  # a célula continua desenhada
    assert lesson.view.locator(".jp-MarkdownCell:not(.jp-mod-rendered)").count() == 0


def test_server_off_says_so_keeps_the_message_and_connects_again(lesson, panel):
    connect(panel)
    lesson.run("servidor.stop(); print('parado')")
    lesson.expect_output("parado")
    send(panel, "você está aí?")
    expect(panel.get_by_role("status", name="Aviso")).to_contain_text("O servidor fechou a conexão")
    expect(panel.get_by_label("Mensagem")).to_have_value("você está aí?")
    panel.get_by_role("button", name="Conectar").click()
    expect(panel.get_by_role("status", name="Aviso")).to_contain_text("Conexão recusada")
    expect(panel.get_by_role("log")).to_contain_text("O que fazer: inicie o servidor")
    lesson.run("servidor.start(); print('de pé')")
    lesson.expect_output("de pé")
    connect(panel)
    send(panel, "voltei")
    expect(panel.get_by_role("log")).to_contain_text("dados.decode() → voltei")


def test_bad_port_and_empty_message_get_a_clear_answer(lesson, panel):
    port = panel.get_by_label("Porta").input_value()
    panel.get_by_label("Porta").fill("abc")
    panel.get_by_role("button", name="Conectar").click()
    expect(panel.get_by_role("status", name="Aviso")).to_contain_text("Esperava uma porta")
    panel.get_by_label("Porta").fill(port)
    send(panel, "cedo demais")
    expect(panel.get_by_role("status", name="Aviso")).to_contain_text("ainda não está conectado")
    expect(panel.get_by_label("Mensagem")).to_have_value("cedo demais")
    connect(panel)
    send(panel, "")
    expect(panel.get_by_role("status", name="Aviso")).to_contain_text("mensagem vazia")


def test_running_the_cell_again_closes_the_old_conversation(lesson, panel):
    connect(panel)
    lesson.run("print(len(servidor.clients), 'cliente')")
    lesson.expect_output("1 cliente")
    lesson.run(PANEL)
    expect(panel.get_by_text("desconectado")).to_be_visible()
    lesson.run("print(len(servidor.clients), 'clientes')")
    lesson.expect_output("0 clientes")


def test_panel_answers_while_a_cell_runs(lesson, panel):
    connect(panel)
    lesson.run(f"import threading; print(threading.Event().wait({TIMEOUT * 3}))")
    send(panel, MESSAGE)
    expect(panel.get_by_role("log")).to_contain_text(f"dados.decode() → {MESSAGE}")
    expect(lesson.view.get_by_text("[*]:")).to_be_visible()  # a célula ainda está rodando
    lesson.page.get_by_role("button", name="Interromper kernel").click()
    expect(lesson.view.get_by_text("[*]:")).to_have_count(0)


def test_conversation_is_drawn_and_accessible_in_both_themes(lesson, panel):
    connect(panel)
    send(panel, MESSAGE)
    calls = panel.get_by_role("listbox", name="Chamadas")
    expect(calls.get_by_role("option").filter(has_text="recv(1024)")).to_be_visible()
    expect(panel.get_by_text("fora deste rastro")).to_be_visible()
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        use_theme(lesson.page, theme)
        assert violations(lesson.page, ".echo-client") == []


def test_network_text_is_never_markup(lesson, panel):
    attack = "<img src=x onerror=alert(1)>\u202e"
    connect(panel)
    send(panel, attack)
    expect(panel.get_by_role("log")).to_contain_text("→ <img src=x onerror=alert(1)>\\u202e")
    expect(panel.locator("img")).to_have_count(0)
