"""As lições, como os testes as leem e executam."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.common import ROOT
from tests.conftest import kernel_manager, own_network, start_kernel, stop_kernel

LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
LESSON = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
# Os de quem ensina são conferidos como as lições, menos na forma, que é outra.
NOTEBOOKS = [*LESSONS, ROOT / "notebooks" / "professor" / "painel.ipynb"]
NOTEBOOK = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# O glossário só se lê: não há o que executar nele.
GLOSSARY = ROOT / "notebooks" / "glossario.ipynb"
PAGES = [*NOTEBOOKS, GLOSSARY]
PAGE = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
CELL_TIMEOUT = 30  # segundos por célula


def read(path):
    return nbformat.read(path, as_version=4)


def lesson(number):
    return next(path for path in LESSONS if path.name.startswith(number))


def text(path, kind):
    return "\n\n".join(c.source for c in read(path).cells if c.cell_type == kind)


@contextmanager
def own_folder() -> Iterator[Path]:
    """Uma cópia de notebooks/, por um tempo: o programa que uma lição grava não é o de outra."""
    with tempfile.TemporaryDirectory() as folder:
        yield shutil.copytree(ROOT / "notebooks", Path(folder, "notebooks"))


class Kernel:
    """Um kernel que executa células como o JupyterLab: com a identidade de cada uma.

    A pasta é só dele; a rede também, se possível: várias lições usam a porta 61840.
    """

    def __enter__(self):
        with ExitStack() as stack:
            folder = stack.enter_context(own_folder())
            self.manager, self.client = start_kernel(folder, *own_network())
            stack.callback(stop_kernel, self.manager, self.client)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error):
        self._open.close()

    def run(self, cell):
        """Executa a célula; devolve o nome do erro (ou "") e o traceback."""
        content = {"code": cell.source, "silent": False, "store_history": True}
        content |= {"user_expressions": {}, "allow_stdin": False, "stop_on_error": False}
        message = self.client.session.msg("execute_request", content)
        message["metadata"]["cellId"] = cell.id
        self.client.shell_channel.send(message)
        while True:
            reply = self.client.get_shell_msg(timeout=CELL_TIMEOUT)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                error = reply["content"]
                return error.get("ename", ""), "\n".join(error.get("traceback", []))


def execute(notebook, *before, **options):
    """Executa um caderno inteiro, com o kernel aberto pelo comando que vem antes do dele."""
    manager = kernel_manager(*before)
    client = NotebookClient(notebook, km=manager, timeout=CELL_TIMEOUT, **options)
    client.owns_km = True  # ao fim, encerra também o kernel que não foi ele quem criou
    try:
        with own_folder() as folder:
            client.execute(cwd=folder)
    finally:
        if manager.transport == "ipc":
            shutil.rmtree(Path(manager.ip).parent)


def drawings(notebook):
    """O texto de cada desenho parado de um caderno, com as portas trocadas por P."""
    # O de uma tentativa que falhou sai diferente a cada vez; menos na 11: são conversas gravadas.
    changing = re.compile(r"\.exercise\(\"(?!11)")
    cells = [cell for cell in notebook.cells if not changing.search(cell.source)]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    found = [o.data["image/svg+xml"] for o in outputs if "image/svg+xml" in o.get("data", {})]
    texts = [" ".join(re.findall(r"<text[^>]*>([^<]*)", "".join(svg))) for svg in found]
    return [re.sub(r"\b\d{4,5}\b", "P", text) for text in texts]
