"""ClientPanel procurando quem se anuncia e diagnosticando, como o aluno o vê."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import use_theme, violations

# A «rede» dos anúncios é só esta máquina.
SETUP = """
from echo_lib import ClientPanel, EchoServer
from echo_lib.network import Announcement, discovery
from echo_lib.panels import client_panel
discovery.network_addresses = lambda: ["127.0.0.1"]
client_panel.lan_address = lambda: "127.0.0.1"
servidor = EchoServer(port=0).start()
ClientPanel(port=1)
"""
ANNOUNCE = "anuncio = Announcement(servidor.address[1], 'Eco <b>da aula</b>')"


ALL_PANELS = """
from echo_lib import *
display(ClientPanel(port=1), ServerPanel(EchoServer(port=0)), ClassPanel(port=0))
display(SequenceDiagram(Trace()), BytesView("olá"))
"""
# De cada painel, um controle em que ninguém escreve: nele, uma letra seria um atalho do JupyterLab.
CONTROLS = {
    "Cliente de eco": "button",
    "Servidor de eco": "button",
    "Painel da turma": "checkbox",
    "Diagrama de sequência": "combobox",
    "Bytes da mensagem": "slider",
}


def open_panel(lab, page, name):
    notebook = lab.open(page, name, SETUP, "")
    notebook.run(0)
    panel = page.get_by_role("region", name="Cliente de eco")
    expect(panel.get_by_role("button", name="Procurar na rede")).to_be_visible()
    return notebook, panel


def test_student_finds_the_server_that_announces_itself_and_connects_by_keyboard(lab, page):
    notebook, panel = open_panel(lab, page, "procurar")
    panel.get_by_role("button", name="Procurar na rede").press("Enter")
    expect(panel.get_by_text("Procurando na rede…")).to_be_visible()
    expect(panel.get_by_text("Nenhum servidor se anunciou.")).to_be_visible()
    expect(panel.get_by_text("digite o endereço e a porta")).to_be_visible()
    notebook.run_code(ANNOUNCE)
    panel.get_by_role("button", name="Procurar na rede").press("Enter")
    servers = panel.get_by_role("list", name="Servidores que se anunciam na rede")
    found = servers.get_by_role("button", name="Eco <b>da aula</b> (127.0.0.1:")
    found.press("Enter")
    expect(panel.get_by_role("button", name="Conectar")).to_be_focused()
    expect(panel.get_by_label("Servidor", exact=True)).to_have_value("127.0.0.1")
    panel.get_by_role("button", name="Conectar").press("Enter")
    expect(panel.get_by_text(re.compile(r"^Conectado a 127\.0\.0\.1:\d+\.$")).first).to_be_visible()
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        use_theme(page, theme)
        assert violations(page, ".echo-client") == []
    notebook.run_code("anuncio.close(); servidor.stop()")


def test_diagnosis_says_why_and_what_to_do_next(lab, page):
    _, panel = open_panel(lab, page, "diagnosticar")
    diagnose = panel.get_by_role("button", name="Diagnosticar")
    diagnose.press("Enter")
    expect(panel.get_by_text("O que aconteceu: ninguém escuta na porta 1")).to_be_visible()
    expect(panel.get_by_text("1. o servidor ainda não foi iniciado aqui")).to_be_visible()
    expect(diagnose).to_be_focused()
    panel.get_by_label("Servidor", exact=True).fill("0.0.0.0")
    diagnose.press("Enter")
    expect(panel.get_by_text("0.0.0.0 não é o endereço de uma máquina")).to_be_visible()
    expect(panel.get_by_text("Próximo passo: use 127.0.0.1")).to_be_visible()
    panel.get_by_label("Servidor", exact=True).fill("")
    panel.get_by_role("button", name="Conectar").press("Enter")
    expect(panel.get_by_text("Esperava o nome ou o endereço de uma máquina")).to_be_visible()
    assert violations(page, ".echo-client") == []


def test_keys_pressed_in_a_panel_do_not_change_the_notebook(lab, page):
    notebook = lab.open(page, "teclas", ALL_PANELS, "")
    notebook.run(0)
    cells = notebook.view.locator(".jp-CodeCell")
    for region, role in CONTROLS.items():
        panel = page.get_by_role("region", name=region).last
        control = panel.get_by_role(role).first
        for spot in (control, panel):  # nela, um texto ou o espaço entre os botões
            spot.focus() if spot is control else panel.click(position={"x": 3, "y": 3})
            page.keyboard.type("ddxbm")
            for keys in ("z", "Backspace", "Enter", "Shift+ArrowLeft"):
                page.keyboard.press(f"Control+{keys}")
            assert cells.count() == 2, region
            expect(control).to_be_visible()
        control.focus()
        page.keyboard.press("Escape")  # e há como sair, sem passar por todos os controles
        expect(notebook.view.locator(".jp-Cell").first).to_be_focused()
    control.press("Control+s")  # e este continua a ser do JupyterLab
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
