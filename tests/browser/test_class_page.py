"""ClassPanel como quem ensina o vê: confirmar, abrir, ver quarenta nomes, escolher um, parar."""

import re
import sys
from urllib.parse import urlparse

import psutil
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import CLOSE_TABS, KERNEL_READY, use_theme, violations

PANEL = (
    "from echo_lib import ClassPanel, EchoClient\npainel = ClassPanel(0, host='127.0.0.1')\npainel"
)
CLASS = """
nomes = [f"Aluna {n}" for n in range(37)] + ["<img onerror=alert(1)>", "أحمد\\u202e", "李明 🗣️"]
turma = [EchoClient(*painel.server.address).connect() for _ in nomes]
for cliente, nome in zip(turma, nomes):
    if nome != "Aluna 9":  # esta nada diz
        cliente.send(nome)
"""


def open_panel(lab, page, name):
    page.set_viewport_size({"width": 1280, "height": 720})  # um projetor
    notebook = lab.open(page, name, PANEL, "")
    notebook.run(0)
    panel = page.get_by_role("region", name="Painel da turma")
    expect(panel.get_by_text("○ fechado")).to_be_visible()
    return notebook, panel


def share(panel):
    panel.get_by_role("checkbox", name="Entendi o que fica ao alcance").press("Space")
    panel.get_by_role("button", name="Abrir para a rede").press("Enter")
    expect(panel.get_by_text("● aberto nesta máquina")).to_be_visible()


def test_teacher_opens_the_class_after_confirming_by_keyboard(lab, page):
    _, panel = open_panel(lab, page, "confirmar")
    opening = panel.get_by_role("button", name="Abrir para a rede")
    expect(panel.get_by_text("não põe mais nada ao alcance")).to_be_visible()
    expect(opening).to_have_attribute("aria-disabled", "true")
    opening.press("Enter")  # sem confirmar, nada
    expect(panel.get_by_text("○ fechado")).to_be_visible()
    assert violations(page, ".echo-class") == []
    share(panel)
    address = panel.get_by_text(re.compile(r"^127\.0\.0\.1 porta \d+$")).inner_text()
    port = address.split()[-1]
    rows = panel.get_by_role("table").get_by_role("row")
    expect(rows).to_have_text(
        [
            f"Terminal do JupyterLabpython cliente.py 127.0.0.1 {port}",
            f'LiçãoClientPanel("127.0.0.1", {port})',
            f"ncatncat 127.0.0.1 {port}",
        ]
    )
    panel.get_by_role("button", name="Parar").press("Enter")
    expect(panel.get_by_text("○ fechado")).to_be_visible()
    expect(panel.get_by_role("checkbox")).not_to_be_checked()  # abrir de novo pede de novo


def test_forty_names_stay_readable_and_one_is_looked_at_closely(lab, page):
    errors = []
    page.on("pageerror", lambda error: errors.append(error.message))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    notebook, panel = open_panel(lab, page, "quarenta")
    share(panel)
    notebook.run_code(CLASS)
    expect(panel.get_by_text("40 máquinas · 40 conexões · 39 mensagens")).to_be_visible()
    cards = panel.get_by_role("list", name="Máquinas da turma").get_by_role("button")
    expect(cards).to_have_count(40)
    for place, name in (
        (36, "● Aluna 36"),
        (37, "● <img onerror=alert(1)>"),
        (38, r"● أحمد\u202e"),
    ):
        expect(cards.nth(place)).to_contain_text(name)
    sizes = cards.evaluate_all(
        """nodes => nodes.map(node => {
          const style = getComputedStyle(node.firstChild);
          const cut = node.firstChild.scrollWidth > node.firstChild.clientWidth
            || node.firstChild.scrollHeight > node.firstChild.clientHeight;
          return [parseFloat(style.fontSize), cut && /Aluna|127/.test(node.textContent)];
        })"""
    )
    assert all(size >= 14 and not cut for size, cut in sizes)

    cards.nth(2).press("Enter")
    chosen = panel.get_by_role("group", name=re.compile(r"^Aluna 2 \(127"))
    calls = chosen.get_by_role("listbox").get_by_role("option")
    expect(calls.filter(has_text="7 bytes")).to_have_count(2)  # recv e send
    expect(cards.nth(2)).to_have_attribute("aria-pressed", "true")
    expect(cards.nth(2)).to_be_focused()
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        use_theme(page, theme)
        assert violations(page, ".echo-class") == []

    notebook.run_code("turma[5].send('nome: Aluna 4')")
    for place in (4, 5):  # dois nomes iguais distinguem-se pelo fim do endereço
        expect(cards.nth(place)).to_contain_text(re.compile(r"● Aluna 4 · :\d+"))
    chosen.get_by_role("button", name="Desconectar esta máquina").press("Enter")
    expect(cards.nth(2)).to_contain_text("○ Aluna 2")
    expect(panel.get_by_text("39 máquinas")).to_be_visible()
    panel.get_by_role("button", name="Pausar").first.press("Enter")
    expect(panel.get_by_text("◐ em pausa")).to_be_visible()
    panel.get_by_role("button", name="Continuar").press("Enter")
    expect(panel.get_by_text("● aberto nesta máquina")).to_be_visible()
    panel.get_by_role("button", name="Salvar registro (CSV)").press("Enter")
    expect(panel.get_by_role("status").first).to_contain_text(
        re.compile(r"Registro salvo em turma_[\dhm_-]+\.csv\.")
    )
    (saved,) = lab.folder.glob("turma_*.csv")
    assert "Aluna 36" in saved.read_text("utf-8-sig")
    saved.unlink()
    assert errors == []


def test_panel_run_again_keeps_the_class_until_a_new_one_is_asked_for(lab, page):
    notebook, panel = open_panel(lab, page, "denovo")
    share(panel)
    notebook.run_code("ana = EchoClient(*painel.server.address).connect(); ana.send('Ana')")
    card = panel.get_by_role("button", name="● Ana")
    expect(card).to_be_visible()
    notebook.run(0)
    expect(panel.get_by_role("status").first).to_contain_text("A turma continua conectada.")
    expect(card).to_be_visible()
    notebook.run_code(
        "import threading\n[t.name for t in threading.enumerate()].count('EchoServer')"
    )
    notebook.expect_output("1")
    renew = panel.get_by_role("button", name="Nova turma")
    expect(renew).to_be_hidden()
    panel.get_by_role("button", name="Ana").first.press("Enter")
    heard = panel.get_by_role("status").last
    expect(heard).to_have_text("A conversa escolhida está no fim do painel.")
    panel.get_by_role("button", name="Parar").press("Enter")
    expect(panel.get_by_role("checkbox")).to_be_focused()
    expect(panel.get_by_role("button", name="○ Ana")).to_be_visible()
    renew.press("Enter")
    expect(panel.get_by_role("status").first).to_contain_text("A lista está vazia")
    expect(heard).to_have_text("")
    expect(panel.get_by_role("button", name="○ Ana")).to_have_count(0)
    (saved,) = lab.folder.glob("turma_*.csv")
    assert "Ana;saiu: o servidor parou" in saved.read_text("utf-8-sig")
    saved.unlink()


@pytest.mark.skipif(sys.platform == "darwin", reason="lá só há o 127.0.0.1")
def test_machine_that_writes_what_is_not_projected_is_blocked_and_comes_back(lab, page):
    notebook, panel = open_panel(lab, page, "bloqueio")
    share(panel)
    # 127.0.0.9 faz de máquina da rede: a desta aula é a outra ponta do mesmo computador.
    notebook.run_code(
        "import socket\npainel._roster.key = painel.trace._key = lambda address: address[0]\n"
        "def entrar(texto):\n"
        "    one = socket.create_connection(painel.server.address, 5, ('127.0.0.9', 0))\n"
        "    one.sendall(texto)\n"
        "    return one\n"
        "um = entrar(b'palavra feia')"
    )
    cards = panel.get_by_role("list", name="Máquinas da turma").get_by_role("button")
    cards.filter(has_text="palavra feia").press("Enter")
    expect(panel.get_by_role("status").last).to_have_text(
        "A conversa escolhida está no fim do painel."
    )
    panel.get_by_role("button", name="Bloquear esta máquina").dblclick()  # com pressa
    expect(cards).to_have_text("○ 127.0.0.91, bloqueada")
    expect(panel.get_by_role("status").first).to_contain_text("Bloqueado: 127.0.0.9.")
    expect(panel.get_by_text("palavra")).to_have_count(0)  # nem no desenho
    expect(panel.get_by_text("o que escreveu só continua no registro")).to_be_visible()
    assert violations(page, ".echo-class") == []
    panel.get_by_role("button", name="Desbloquear esta máquina").press("Enter")
    expect(panel.get_by_role("status").first).to_contain_text("pode conectar de novo")
    expect(panel.get_by_role("button", name="Bloquear esta máquina")).to_be_focused()
    notebook.run_code("um = entrar(b'Ana')")
    expect(cards).to_contain_text("● Ana")
    chosen = panel.get_by_role("group", name=re.compile("^Ana"))
    expect(chosen.get_by_role("option").filter(has_text="3 bytes")).to_have_count(2)
    panel.get_by_role("button", name="Início").press("Enter")
    expect(panel.get_by_text("palavra feia")).to_have_count(0)


def test_panel_whose_kernel_ended_says_so_and_no_longer_claims_to_be_open(lab, page):
    notebook, panel = open_panel(lab, page, "semkernel")
    gone = panel.get_by_text("Este painel não está ligado a um kernel: execute a célula de novo.")
    share(panel)
    expect(gone).to_be_hidden()
    notebook.run_code("import os; os._exit(1)")  # o kernel cai (reiniciado: test_server_page.py)
    page.get_by_role("dialog").get_by_role("button", name="Ok").click()
    expect(gone).to_be_visible()
    expect(panel.get_by_text("● aberto")).to_be_hidden()
    page.wait_for_function(KERNEL_READY, arg="semkernel.ipynb", polling=100)
    notebook.run(0)
    expect(panel.get_by_text("○ fechado")).to_be_visible()
    share(panel)
    page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    expect(gone).to_be_visible()
    expect(panel.get_by_role("button")).to_have_count(0)
    page.evaluate(CLOSE_TABS)
    lab.show(page, "semkernel")  # no dia seguinte
    expect(gone).to_be_visible()
    expect(panel.get_by_text("● aberto")).to_be_hidden()


def test_teacher_notebook_opens_and_shares_nothing_by_itself(lab, page):
    lab.show(page, "professor/painel")
    page.wait_for_function(KERNEL_READY, arg="painel.ipynb")
    page.evaluate(
        """() => {
          const notebook = jupyterapp.shell.currentWidget.content;
          notebook.activeCellIndex = notebook.widgets.length - 1;
          return jupyterapp.commands.execute("notebook:run-all-above");
        }"""
    )
    panel = page.get_by_role("region", name="Painel da turma")
    expect(panel.get_by_text("○ fechado")).to_be_visible()
    # A última célula o fecha, e do que ele mostrava nada fica no notebook.
    page.evaluate("() => jupyterapp.commands.execute('notebook:run-cell')")
    expect(panel).to_have_count(0)
    saved = page.evaluate(
        """async () => {
          await jupyterapp.commands.execute("docmanager:save");
          return JSON.stringify(jupyterapp.shell.currentWidget.content.model.toJSON());
        }"""
    )
    assert "ClassPanel(port=61840" in saved and "machines" not in saved


def test_jupyterlab_itself_stays_out_of_reach_of_the_network(lab):
    port = urlparse(lab.url).port
    rows = [row for row in psutil.net_connections("tcp") if row.status == psutil.CONN_LISTEN]
    (holder,) = {row.pid for row in rows if row.laddr.port == port}
    children = [process.pid for process in psutil.Process(holder).children(recursive=True)]
    reachable = [row for row in rows if row.pid in (holder, *children)]
    assert {row.laddr.ip for row in reachable} <= {"127.0.0.1", "::1"}  # e os kernels também
