"""ServerPanel como o professor o vê: pôr no ar, ver os clientes, desconectar um, parar."""

import re
import socket

from playwright.sync_api import expect

from tests.browser.conftest import use_theme, violations
from tests.common import HERE

SETUP = "from echo_lib import EchoClient, EchoServer, ServerPanel\nservidor = EchoServer(port={})"
PANEL = "ServerPanel(servidor)"


def open_panel(lab, page, name, port=0):
    notebook = lab.open(page, name, SETUP.format(port), PANEL, "")
    notebook.run(0)
    notebook.run(1)
    panel = page.get_by_role("region", name="Servidor de eco")
    expect(panel.get_by_text("○ parado")).to_be_visible()
    return notebook, panel


def test_teacher_starts_sees_clients_disconnects_one_and_stops_by_keyboard(lab, page):
    errors = []
    page.on("pageerror", lambda error: errors.append(error.message))
    notebook, panel = open_panel(lab, page, "professor")
    log = panel.get_by_role("log", name="Acontecimentos")
    expect(panel.get_by_text("Nenhum cliente conectado.")).to_be_visible()
    panel.get_by_role("button", name="Iniciar").press("Enter")
    expect(panel.get_by_text("◐ escutando")).to_be_visible()
    expect(panel.get_by_role("status")).to_contain_text(
        "O servidor começou a escutar em 127.0.0.1:"
    )
    expect(panel.get_by_role("button", name="Iniciar")).to_be_focused()
    address = panel.get_by_text(re.compile(r"^127\.0\.0\.1:\d+$")).first.inner_text()
    expect(log).to_contain_text(f"{address} começou a escutar")

    notebook.run_code(
        "um, dois = (EchoClient(*servidor.address).connect() for _ in range(2))\n"
        "print(um.send('olá'), dois.send('oi'))"
    )
    expect(panel.get_by_text("● atendendo 2 clientes")).to_be_visible()
    rows = panel.get_by_role("table").get_by_role("row")
    expect(rows.nth(1)).to_contain_text(re.compile(r"127\.0\.0\.1:\d+\d\d:\d\d:\d\d14"))
    button = rows.nth(1).get_by_role("button", name=re.compile(r"Desconectar 127\.0\.0\.1:\d+"))
    notebook.run_code("for _ in range(1000): dois.send('mensagem')")
    button.focus()
    expect(rows.nth(2).get_by_role("cell").nth(1)).to_have_text("1.001")
    expect(button).to_be_focused()  # a tabela mudou, o foco ficou
    page.keyboard.press("Space")
    expect(panel.get_by_text("● atendendo 1 cliente")).to_be_visible()
    expect(log).to_contain_text("saiu: desconectado por este servidor")
    expect(panel.get_by_role("group", name="Clientes")).to_be_focused()
    page.keyboard.press("Tab")
    expect(panel.get_by_role("button", name="Desconectar 127")).to_be_focused()
    panel.get_by_role("button", name="Parar").press("Enter")
    expect(panel.get_by_text("○ parado")).to_be_visible()
    expect(log).to_contain_text("parou de escutar e desconectou 1 cliente")
    expect(panel.get_by_role("table")).to_be_hidden()
    assert errors == []


def violations_in_both_themes(page):
    found = []
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        use_theme(page, theme)
        found += violations(page, ".echo-server", exclude=":is(tr, li):nth-child(n+9)")
    return found


def test_panel_is_accessible_with_clients_and_with_an_error(lab, page):
    with socket.create_server((HERE, 0)) as taken:
        port = taken.getsockname()[1]
        notebook, panel = open_panel(lab, page, "acessível", port)
        panel.get_by_role("button", name="Iniciar").click()
        status = panel.get_by_role("status")
        expect(status).to_contain_text(f"o endereço (127.0.0.1:{port}) já está em uso")
        expect(status).to_contain_text("(port=")
        expect(panel.get_by_text("○ parado")).to_be_visible()
        assert violations_in_both_themes(page) == []
    panel.get_by_role("button", name="Iniciar").click()
    expect(panel.get_by_text("◐ escutando")).to_be_visible()
    notebook.run_code("turma = [EchoClient(*servidor.address).connect() for _ in range(120)]")
    expect(panel.get_by_text("● atendendo 120 clientes")).to_be_visible()
    expect(panel.get_by_text("e mais 20, de antes destes.")).to_be_attached()
    expect(panel.get_by_role("button", name="Desconectar")).to_have_count(100)
    assert violations_in_both_themes(page) == []


def test_page_left_open_while_the_kernel_restarts_breaks_nothing(lab, page):
    errors = []
    page.on("pageerror", lambda error: errors.append(error.message))
    notebook, panel = open_panel(lab, page, "reinício")
    panel.get_by_role("button", name="Iniciar").click()
    expect(panel.get_by_text("◐ escutando")).to_be_visible()
    page.evaluate("void window.jupyterapp.commands.execute('kernelmenu:restart')")
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Rei|Restart")).last.click()
    expect(page.get_by_text("| Idle")).to_be_attached()
    notebook.run_code("print('kernel novo')")
    notebook.expect_output("kernel novo")
    expect(panel.get_by_role("status")).to_contain_text("execute a célula de novo")
    expect(panel.get_by_role("button", name="Parar")).to_be_hidden()
    notebook.run(0)
    notebook.run(1)
    expect(panel.get_by_text("○ parado")).to_be_visible()
    assert errors == []


TALK = """
for _ in range({}):
    with EchoClient(*servidor.address) as cliente:
        cliente.send("oi")
"""
RUN_BEHIND = """code => {
  const opened = [...window.jupyterapp.shell.widgets("main")];
  const first = opened.find((widget) => widget.title.label === "atrás.ipynb");
  return first.sessionContext.session.kernel.requestExecute({ code }).done;
}"""


def test_log_shows_the_last_event_also_after_a_time_behind_another_tab(lab, page):
    notebook, panel = open_panel(lab, page, "atrás")
    notebook.run_code(f"servidor.start()\n{TALK.format(12)}\nprint('doze')")
    notebook.expect_output("doze")
    last = panel.get_by_role("log").get_by_role("listitem").last
    expect(last).to_be_in_viewport()
    lab.show(page, "00_comece_aqui")
    expect(panel).to_be_hidden()
    page.evaluate(RUN_BEHIND, TALK.format(8))
    lab.show(page, "atrás")
    expect(panel.get_by_role("log").get_by_role("listitem")).to_have_count(41)
    expect(last).to_be_in_viewport()
