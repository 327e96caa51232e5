"""A lição 11 onde se pode capturar e onde não: as células que mostram a própria máquina."""

from tests.conftest import need, need_root, own_network
from tests.lessons import execute, lesson, read


def run(*before):
    """Executa a lição inteira, com o kernel aberto por este programa; devolve as células."""
    notebook = read(lesson("11"))
    execute(notebook, *before, *own_network())
    return notebook.cells


def outputs(cells, source):
    """O que mostra a célula que contém `source`."""
    (cell,) = [c for c in cells if c.cell_type == "code" and source in c.source]
    return cell.outputs


def shown(cells, source):
    return "".join(output.get("text", "") for output in outputs(cells, source))


def test_with_permission_the_live_capture_is_drawn_and_netstat_tells_the_states():
    need_root()
    cells = run()
    live = outputs(cells, "capture.live(")
    assert ["image/svg+xml" in output.get("data", {}) for output in live] == [True]
    assert "“olá” seq=1" in "".join(live[0].data["image/svg+xml"])
    assert shown(cells, "def estados") == "['LISTEN']\n['ESTABLISHED', 'ESTABLISHED', 'LISTEN']\n"
    assert shown(cells, "SHUT_WR") == (
        "ainda falo ['CLOSE_WAIT', 'FIN_WAIT2', 'LISTEN']\n['LISTEN', 'TIME_WAIT']\n"
    )
    assert shown(cells, "backlog=1") == "['ESTABLISHED', 'LISTEN', 'SYN_SENT']\n"


def test_without_permission_the_cell_says_what_is_missing_and_the_lesson_goes_on():
    need_root()
    cells = run(need("setpriv"), "--bounding-set=-net_raw", "--inh-caps=-net_raw")
    text = shown(cells, "capture.live(")
    assert text.startswith("O que aconteceu: esta máquina não deixa este programa capturar")
    assert "CAP_NET_RAW" in text and "use as capturas gravadas" in text
