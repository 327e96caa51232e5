"""Lição 06: servidor.py e cliente.py em dois terminais do JupyterLab, lado a lado."""

import psutil

from tests.common import TIMEOUT
from tests.conftest import quiet_port

SIDE_BY_SIDE = """async folder => {
  const { commands, shell } = window.jupyterapp;
  const open = async (mode) => {
    const terminal = await commands.execute("terminal:create-new", { cwd: folder });
    await terminal.content.ready;
    shell.add(terminal, "main", { mode });
    shell.activateById(terminal.id);
    return terminal.id;
  };
  return [await open("tab-after"), await open("split-right")];
}"""
# O texto do terminal é desenhado num canvas; o xterm guarda as linhas que mostra.
SHOWN = """([id, text]) => {
  const widgets = [...window.jupyterapp.shell.widgets("main")];
  const buffer = widgets.find((widget) => widget.id === id).content._term.buffer.active;
  const line = (_, row) => buffer.getLine(row).translateToString(true);
  const all = Array.from({ length: buffer.length }, line).join("\\n");
  return all.includes(text) && all;
}"""


class Terminal:
    """Um terminal do JupyterLab, usado pelo teclado."""

    def __init__(self, page, name):
        self.page, self.name = page, name

    def type(self, text, erased=0):
        self.page.evaluate("id => window.jupyterapp.shell.activateById(id)", self.name)
        self.page.locator(f"[id='{self.name}'] textarea").focus()
        self.page.keyboard.insert_text(text)
        for _ in range(erased):
            self.page.keyboard.press("Backspace")
        self.page.keyboard.press("Enter")

    def interrupt(self):
        self.page.locator(f"[id='{self.name}'] textarea").focus()
        self.page.keyboard.press("Control+c")

    def wait(self, text):
        found = self.page.wait_for_function(SHOWN, arg=[self.name, text], timeout=TIMEOUT * 1000)
        return found.json_value()


def states(port):
    """Os estados da porta, sem o que uma conversa de outro teste deixou nela."""
    rows = psutil.net_connections("tcp4")
    return {row.status for row in rows if row.laddr.port == port} - {"TIME_WAIT"}


def test_two_terminals_side_by_side_talk(lab, page):
    lab.open(page, "terminais", "")
    left, right = (Terminal(page, name) for name in page.evaluate(SIDE_BY_SIDE, ""))
    boxes = [page.locator(f"[id='{t.name}']").bounding_box() for t in (left, right)]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"] + 10  # um à esquerda do outro

    port = quiet_port()  # com 0, o sistema daria uma em que outro teste talvez converse
    left.type(f"python3 servidor.py 127.0.0.1 {port}")
    left.wait("Ctrl+C encerra.")
    assert states(port) == {"LISTEN"}
    right.type(f"python3 cliente.py 127.0.0.1 {port}")
    right.wait("Digite sair para encerrar.")
    assert states(port) == {"LISTEN", "ESTABLISHED"}
    right.type("olá, çãoç", erased=1)  # inteiro, e não metade dele
    right.wait("Eco: olá, ção")
    left.wait(r"enviou b'ol\xc3\xa1, \xc3\xa7\xc3\xa3o'")  # no servidor, bytes
    right.type("sair")
    right.wait("Conexão encerrada.")
    left.wait("saiu. Esperando o próximo cliente.")
    left.interrupt()
    left.wait("Servidor encerrado.")
    assert states(port) == set()
