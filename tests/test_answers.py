"""Respostas de alunos, certas e erradas: cada engano recebe a sua pista, e nunca a de outro.

Cada arquivo de tests/respostas diz, na docstring, qual verificação o lê e que pista deve vir.
"""

import re
import struct
import sys

import pytest

from echo_lib import checks, isolated
from tests.common import ROOT

FRAMING = ROOT / "notebooks" / "solucoes" / "08_exercicio_3.py"
FILES = sorted((ROOT / "tests" / "respostas").glob("*.py"))
CHECKS = {path: re.search(r"Verificação: (\w+)", path.read_text("utf-8"))[1] for path in FILES}
HINTS = {path: re.search(r"Pista: (.+)|$", path.read_text("utf-8"))[1] for path in FILES}
WRONG = [path for path in FILES if HINTS[path]]
RIGHT = [path for path in FILES if not HINTS[path]]
if sys.platform == "win32":  # lá, um socket não tem recvmsg nem é um arquivo para os.read
    RIGHT = [path for path in RIGHT if not re.search("recvmsg|os_read", path.stem)]


@pytest.fixture(autouse=True)
def short_wait(monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT", 2.0)


def answer(path):
    """O que o arquivo define, como o definiria uma célula: sem um módulo que se possa importar."""
    space = {"__name__": "resposta"}
    if CHECKS[path] == "framing":  # o notebook já tem exato; e enviar, quem só erra ao receber
        space["struct"] = struct
        exec(FRAMING.read_text("utf-8"), space)
    exec(compile(path.read_text("utf-8"), str(path), "exec"), space)
    return [value for name, value in space.items() if name.startswith("resposta")]


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_wrong_answer_gets_its_own_hint_and_no_other(path):
    check = getattr(checks, CHECKS[path])(*answer(path))
    others = {HINTS[other] for other in WRONG if CHECKS[other] == CHECKS[path]} - {HINTS[path]}
    assert not check.ok and HINTS[path] in check.text, check
    assert [hint for hint in others if hint in check.text] == [], check


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
def test_right_answer_in_any_style_passes(path):
    check = getattr(checks, CHECKS[path])(*answer(path))
    assert check.ok, check


def test_there_are_many_wrong_answers_and_each_hint_is_of_one_mistake():
    assert len(WRONG) >= 25
    kinds = [(CHECKS[path], HINTS[path]) for path in WRONG]
    assert len(set(kinds)) == len(kinds)
