"""Um JupyterLab de verdade, aberto por kit.py, e um Chromium de verdade."""

import shutil
import subprocess
import sys

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.conftest import ROOT, TIMEOUT, need

FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-quic"]
expect.set_options(timeout=TIMEOUT * 1000)


@pytest.fixture(scope="module")  # os kernels das lições, e as suas portas, acabam com o módulo
def lab(tmp_path_factory):
    """O endereço que `kit.py aula` mostra, com as lições numa cópia que o teste pode alterar."""
    notebooks = tmp_path_factory.mktemp("lições") / "notebooks"
    shutil.copytree(ROOT / "notebooks", notebooks)
    command = [sys.executable, str(ROOT / "kit.py"), "aula", "--no-browser"]
    with subprocess.Popen(
        [*command, f"--ServerApp.root_dir={notebooks}"], stdout=subprocess.PIPE, text=True
    ) as process:
        url = ""
        while not url.startswith("http"):
            url = process.stdout.readline()
            assert url, "kit.py terminou sem mostrar o endereço"
        yield url.strip()
        process.terminate()


@pytest.fixture(scope="module")  # ao fim do módulo, o asyncio volta a ser dos outros testes
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=need("chromium"), args=FLAGS)
        yield browser
        browser.close()


def new_page(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="pt-BR")
    page.set_default_timeout(TIMEOUT * 1000)
    return page


@pytest.fixture
def page(chromium):
    page = new_page(chromium)
    yield page
    page.close()
