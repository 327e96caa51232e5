"""O progresso: o que passou fica anotado; nada o estraga, e se pode recomeçar."""

import json

import pytest

from echo_lib import progress
from echo_lib.checks import Check
from tests.common import ROOT


@pytest.fixture
def kept(tmp_path, monkeypatch):
    file = tmp_path / "progresso.txt"
    monkeypatch.setenv("ECHO_LIB_PROGRESSO", str(file))
    return file


def test_only_what_passed_is_kept_and_once(kept):
    Check(False, "não").exercise("08.1")
    assert progress.done() == set() and not kept.exists()
    for _ in range(3):
        assert Check(True, "sim").exercise("08.2").text == "sim"
    progress.finish("08")
    assert progress.done() == {"08.2", "08"}
    assert kept.read_text(encoding="utf-8") == "08.2\n08\n"


def test_without_the_variable_it_is_beside_the_notebook(tmp_path, monkeypatch):
    monkeypatch.delenv("ECHO_LIB_PROGRESSO")
    monkeypatch.chdir(tmp_path)
    progress.record("03.1")
    assert (tmp_path / "progresso.txt").read_text(encoding="utf-8") == "03.1\n"


def test_spoiled_lines_are_ignored_and_the_good_ones_remain(kept):
    kept.write_bytes(b"08.1\n\xff\xfe lixo\n99.99.9\n\n05\n")
    assert progress.done() == {"08.1", "05"}
    progress.record("06")
    progress.record(10)  # type: ignore[arg-type]
    progress.record(10)  # type: ignore[arg-type]
    assert progress.done() == {"08.1", "05", "06", "10"}
    assert kept.read_bytes().endswith(b"06\n10\n")


def test_folder_that_can_not_be_written_is_told_and_the_answer_remains(monkeypatch, tmp_path):
    monkeypatch.setenv("ECHO_LIB_PROGRESSO", str(tmp_path))  # uma pasta, e não um arquivo
    check = Check(True, "Certo").exercise("08.1")
    assert check.ok and check.text.startswith("Certo (Não pude anotar o progresso em ")
    progress.finish("08")
    assert progress.done() == set()


@pytest.mark.parametrize("mark", ["8.1", "０８", 8.2])
def test_wrong_mark_is_refused(kept, mark):
    with pytest.raises(ValueError, match=r'esperava uma lição, como "08"'):
        progress.record(mark)


def test_table_tells_lessons_and_exercises_of_the_folder_and_starts_again(kept, tmp_path):
    cells = [{"cell_type": "markdown", "source": ["# 08 · Um fluxo\n", "texto"]}]
    cells += [{"cell_type": "markdown", "source": f"## Exercício {i}\n"} for i in (1, 2)]
    notebook = tmp_path / "08_fluxo.ipynb"
    notebook.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    (tmp_path / "09_estragado.ipynb").write_text("{", encoding="utf-8")
    for mark in ("08.2", "09"):
        progress.record(mark)
    table = progress.Progress(tmp_path)
    assert repr(table).splitlines() == [
        "08 · Um fluxo: ainda não; 1 de 2 (2)",
        "09_estragado: ✔ sim; não tem",
    ]
    assert "| [08 · Um fluxo](08_fluxo.ipynb) | ainda não | 1 de 2 (2) |" in (
        table._repr_markdown_()
    )
    progress.record("08.1")
    assert "✔ 2 de 2 (1, 2)" in repr(progress.Progress(tmp_path))
    progress.reset()
    assert progress.done() == set()


def test_every_exercise_of_the_lessons_is_counted(kept):
    table = repr(progress.Progress(ROOT / "notebooks"))
    assert "08 · Um fluxo de bytes: ainda não; 0 de 3" in table
