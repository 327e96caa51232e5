"""Cada célula das lições: duas vezes, fora de ordem, e com o mesmo desenho."""

import re

import nbformat
import pytest

from tests.conftest import own_network
from tests.lessons import NOTEBOOK, Kernel, drawings, execute, lesson, read


def explained(trace):
    return "O que aconteceu" in trace and "O que fazer" in trace


def explanation(trace):
    """O que um traceback explica, com os números, que são de cada vez, trocados por N."""
    return re.sub(r"\d+", "N", trace[trace.find("O que aconteceu") :])


def saved(cell):
    """O traceback que está gravado na lição."""
    return "\n".join(line for o in cell.outputs for line in o.get("traceback", []))


@pytest.mark.timeout(300)
@NOTEBOOK
def test_cells_in_reverse_order_and_then_each_one_twice(path):
    """De trás para frente, um erro é explicado; na ordem, depois, dá certo; de novo, também."""
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    with Kernel() as kernel:
        kernel.run(nbformat.v4.new_code_cell("%load_ext echo_lib"))
        for cell in reversed(cells):
            name, trace = kernel.run(cell)
            assert not name or explained(trace), f"{cell.source}\n{trace}"
        for cell in cells:
            name, trace = kernel.run(cell)
            assert not name or "raises-exception" in cell.metadata.get("tags", []), trace
            assert not name or explanation(trace) == explanation(saved(cell)), cell.id
            name, trace = kernel.run(cell)
            assert not name or explained(trace), f"{cell.source}\n{trace}"


@pytest.mark.parametrize("number", ["01", "03", "08"])
def test_saved_drawings_are_those_of_a_new_run(number):
    notebook = read(lesson(number))
    saved = drawings(notebook)
    execute(notebook, *own_network(), allow_errors=True)
    assert drawings(notebook) == saved


def test_a_program_written_by_a_lesson_is_not_that_of_another_test():
    with Kernel() as one, Kernel() as other:
        for kernel, text in ((one, "um"), (other, "outro")):
            kernel.run(nbformat.v4.new_code_cell(f"%%writefile meu_servidor.py\n{text}"))
        for kernel, text in ((one, "um"), (other, "outro")):
            same = f"assert open('meu_servidor.py').read().strip() == {text!r}"
            assert kernel.run(nbformat.v4.new_code_cell(same)) == ("", "")


CONNECTS_AND_HANGS = """
import socket, sys, threading
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
threading.Event().wait()
"""


@pytest.mark.parametrize(
    ("number", "cell", "client", "error"),
    [
        ("05", "05-32", "raise SystemExit('quebrado')", "CalledProcessError"),
        ("06", "06-19", CONNECTS_AND_HANGS, "TimeoutExpired"),
    ],
)
def test_a_client_that_the_student_broke_does_not_hold_the_kernel(number, cell, client, error):
    cells = [cell for cell in read(lesson(number)).cells if cell.cell_type == "code"]
    wanted = next(place for place, other in enumerate(cells) if other.id == cell)
    broken = nbformat.v4.new_code_cell(f"%%writefile cliente.py\n{client}")
    with Kernel() as kernel:
        for before in cells[:wanted]:
            kernel.run(before)
        kernel.run(broken)
        name, trace = kernel.run(cells[wanted])
        assert name == error, trace
