"""Os 28 problemas de quem aprende sockets: a tabela do CONTRIBUTING não mente."""

import ast
import re

import nbformat
import pytest

from tests.common import ROOT

TABLE = re.findall(
    r"^\| (\d+) \| (.+?) \| ([\d, ]+) \| `(.+?)` \|$",
    (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
SOURCES = [*(ROOT / "echo_lib").rglob("*.py"), *(ROOT / "notebooks").rglob("*.py")]


def test_table_has_the_twenty_eight():
    assert [int(number) for number, *_ in TABLE] == list(range(1, 29))


@pytest.mark.parametrize(("number", "what", "lessons", "test"), TABLE)
def test_lessons_and_test_of_each_trouble_exist(number, what, lessons, test):
    for lesson in lessons.split(", "):
        assert list((ROOT / "notebooks").glob(f"{lesson}_*.ipynb")), lesson
    file, _, name = test.partition("::")
    if file == "test_answers.py":  # a resposta errada que o teste lê
        assert (ROOT / "tests" / "respostas" / f"{name}.py").exists(), name
    else:
        assert f"def {name}" in (ROOT / "tests" / file).read_text(encoding="utf-8")


def code(path):
    """O Python de um arquivo, ou das células de um notebook, sem as linhas mágicas."""
    if path.suffix == ".py":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    lines = "\n".join(c.source for c in cells if c.cell_type == "code").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def calls(path, name):
    """Quantas vezes o arquivo chama esta função."""
    nodes = ast.walk(ast.parse(code(path)))
    functions = [node.func for node in nodes if isinstance(node, ast.Call)]
    return sum(isinstance(f, ast.Name) and f.id == name for f in functions)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_nobody_lets_two_servers_share_a_port(path):
    """No Windows, SO_REUSEADDR deixa dois servidores na mesma porta: só se põe fora dele."""
    unguarded = re.sub(r'if os\.name != "nt":.*\n.*SO_REUSEADDR', "", code(path))
    assert not re.search(r"setsockopt\([^)]*(SO_REUSEADDR|SO_REUSEPORT)", unguarded)


def test_no_cell_waits_for_the_keyboard():
    """O input() só está nos programas de terminal, que as células gravam e não chamam."""
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        for cell in cells:
            if cell.cell_type == "code" and not cell.source.startswith("%%writefile"):
                assert not re.search(r"\binput\(", cell.source), cell.id


def test_library_prints_only_where_someone_reads():
    """print numa thread de fundo vai à célula errada: só o terminal e a resposta o usam."""
    for path in (ROOT / "echo_lib").rglob("*.py"):
        if path.name not in ("__main__.py", "magics.py"):
            assert calls(path, "print") == 0, path
