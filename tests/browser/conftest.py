"""Um JupyterLab de verdade, aberto por kit.py, e um Chromium de verdade."""

import re
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from tests.common import ROOT, TIMEOUT
from tests.conftest import need

FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-quic"]
# Encerra os kernels e tira as abas, sem a pergunta "Salvar o seu trabalho".
CLOSE_TABS = """async () => {
  const opened = [...(window.jupyterapp?.shell.widgets("main") ?? [])];
  await Promise.all(opened.map((widget) => widget.sessionContext?.shutdown()));
  opened.forEach((widget) => widget.dispose());
}"""
# Falso se a página ainda não mostra um JupyterLab.
OPEN_HERE = """path => {
  const open = () => window.jupyterapp.commands.execute("docmanager:open", {path});
  return Boolean(window.jupyterapp && open());
}"""
SIZE = {"width": 1280, "height": 900}
KERNEL_READY = """name => {
  const current = window.jupyterapp?.shell.currentWidget;
  return current?.title.label === name
    && current.sessionContext?.session?.kernel?.status === "idle";
}"""
expect.set_options(timeout=TIMEOUT * 1000)


class Lab(NamedTuple):
    """Um JupyterLab no ar: o endereço que kit.py mostra e a pasta das lições."""

    url: str
    folder: Path

    def open(self, page, name, *cells):
        """Cria um caderno com essas células de código, abre-o e espera o kernel."""
        notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, self.folder / f"{name}.ipynb")
        view = self.show(page, name)
        page.wait_for_function(KERNEL_READY, arg=f"{name}.ipynb", polling=100)
        return Notebook(page, view)

    def show(self, page, name):
        """Abre um caderno; a página que já mostra o JupyterLab não o carrega de novo."""
        if not page.evaluate(OPEN_HERE, f"{name}.ipynb"):
            # Com reset, as abas que alguém deixou não voltam, nem os kernels delas.
            page.goto(re.sub(r"[^/]*\.ipynb", f"{name}.ipynb", self.url) + "&reset")
        return page.get_by_role("tabpanel", name=re.compile(Path(name).name))


class Notebook(NamedTuple):
    """Um caderno aberto na página."""

    page: object
    view: object

    def run(self, cell=0):
        """Executa uma célula, como quem clica nela e aperta Ctrl+Enter; não espera o fim."""
        editor = self.view.get_by_role("textbox").nth(cell)
        editor.click()
        self.page.keyboard.press("Control+Enter")

    def run_code(self, code):
        """Troca o conteúdo da última célula e a executa."""
        self.view.get_by_role("textbox").last.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(code)
        self.page.keyboard.press("Control+Enter")

    def expect_output(self, text):
        expect(self.view.get_by_text(text, exact=True).last).to_be_visible()


def act_until_visible(action, locator):
    """Faz de novo, como quem está diante da tela, o que em alguns segundos não deu resultado."""
    for _ in range(2):
        action()
        with suppress(AssertionError):
            return expect(locator).to_be_visible(timeout=TIMEOUT / 3 * 1000)
    action()
    expect(locator).to_be_visible()


def use_theme(page, name):
    """Muda o tema do JupyterLab: "JupyterLab Light" ou "JupyterLab Dark"."""
    page.evaluate(
        "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name
    )
    expect(page.locator(f"body[data-jp-theme-name='{name}']")).to_be_attached()


def violations(page, selector, exclude=""):
    """As falhas de acessibilidade que o axe-core acha dentro de `selector`.

    `exclude` diz o que repete o que já se olhou: de cada elemento, o axe pergunta quem o cobre.
    """
    # O body do JupyterLab tem altura 0 e esconde o que passa dele: o axe teria tudo por escondido,
    # e não conferiria contraste nenhum. Do que a tela de abertura cobre, que volta por um instante
    # a cada troca de tema, ou do que está fora da vista, ele também não decide nada.
    page.evaluate("document.body.style.minHeight = '100vh'")
    expect(page.locator("#jupyterlab-splash")).not_to_be_attached()
    looked = page.locator(selector).last
    looked.evaluate("element => element.scrollIntoView()")
    expect(looked).to_be_in_viewport()
    # Sem os seletores CSS de cada nó, sem os nós em ordem e sem ler de novo as folhas de estilo, de
    # que só precisa a regra da tela que não gira, leva menos da metade do tempo.
    options = {"selectors": False, "resultTypes": ["violations"], "preload": False}
    context = {"include": [selector]} | ({"exclude": [exclude]} if exclude else {})
    for _ in range(3):  # do que muda de lugar enquanto ele olha, o axe não decide o contraste
        found = Axe().run(page, context=context, options=options).response
        decided = [rule["id"] for kind in ("passes", "violations") for rule in found[kind]]
        if "color-contrast" in decided:
            break
    doubts = [rule["nodes"][:1] for rule in found["incomplete"] if rule["id"] == "color-contrast"]
    assert "color-contrast" in decided, f"o axe não decidiu o contraste de texto nenhum: {doubts}"
    return [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found["violations"]]


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """O que `kit.py aula` abre, com as lições numa cópia que o teste pode alterar."""
    folder = tmp_path_factory.mktemp("lições")
    notebooks = folder / "notebooks"
    shutil.copytree(ROOT / "notebooks", notebooks)
    options = {
        "ServerApp.root_dir": notebooks,
        "LabApp.expose_app_in_browser": True,
        # O tema e as abas de um teste não ficam para o seguinte, nem para quem usa a máquina.
        "LabApp.user_settings_dir": folder / "settings",
        "LabApp.workspaces_dir": folder / "workspaces",
    }
    command = [sys.executable, str(ROOT / "kit.py"), "aula", "--no-browser"]
    command += [f"--{name}={value}" for name, value in options.items()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        url = ""
        while not url.startswith("http"):
            url = process.stdout.readline()
            assert url, "kit.py terminou sem mostrar o endereço"
        yield Lab(url.strip(), notebooks)
        process.terminate()


@pytest.fixture(scope="package")  # ao fim destes arquivos, o asyncio volta a ser dos outros
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=need("chromium"), args=FLAGS)
        yield browser
        browser.close()


def new_page(browser):
    page = browser.new_page(viewport=SIZE, locale="pt-BR")
    page.set_default_timeout(TIMEOUT * 1000)
    return page


@pytest.fixture(scope="package")
def pages():
    """As páginas que um teste deixou para os seguintes; o navegador as fecha."""
    return []


@contextmanager
def alone(pages, chromium):
    """Uma página em branco, sozinha: a que fica atrás de outra às vezes não volta a se desenhar."""
    while pages:
        pages.pop().close()
    page = new_page(chromium)
    yield page
    page.close()


@contextmanager
def borrow(pages, chromium, session):
    """Uma página sem abas; de um teste que falha, nada fica para o seguinte."""
    page = pages.pop() if pages else new_page(chromium)
    page.set_viewport_size(SIZE)
    failed = session.testsfailed
    yield page
    page.evaluate(CLOSE_TABS)  # e com os kernels se vão as portas que tinham
    if session.testsfailed == failed:
        pages.append(page)
    else:
        page.close()


@pytest.fixture
def page(request, chromium, pages):
    with borrow(pages, chromium, request.session) as page:
        yield page


@pytest.fixture(scope="module")
def module_page(request, chromium, pages):
    """A página que os testes de um arquivo olham juntos."""
    with borrow(pages, chromium, request.session) as page:
        yield page
