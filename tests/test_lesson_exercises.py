"""Os exercícios das lições: o esboço falha com uma pista, a solução passa."""

import re

import nbformat

from tests.common import ROOT
from tests.lessons import LESSON, Kernel, read

SOLUTIONS = sorted((ROOT / "notebooks" / "solucoes").glob("*.py"))


@LESSON
def test_exercise_stubs_fail_with_a_hint_and_solutions_pass(path):
    """Na lição, a célula do exercício e a da verificação vêm logo depois do enunciado.

    O que a verificação responde ao esboço está gravado na lição, e o nbval confere que é isso.
    """
    cells = read(path).cells
    titles = [re.search(r"^## Exercício (\d)", c.source, re.MULTILINE) for c in cells]
    found = {title[1]: place for place, title in enumerate(titles) if title}
    solutions = {s.stem[-1]: s for s in SOLUTIONS if s.name[:2] == path.name[:2]}
    assert set(found) == set(solutions)
    done = 0
    with Kernel() as kernel:
        for number, start in found.items():
            for cell in cells[done:start]:
                if cell.cell_type == "code" and "import" in cell.source:
                    kernel.run(cell)
            stub, check = [c for c in cells[start:] if c.cell_type == "code"][:2]
            solved = solution_cell(solutions[number], stub)
            hint = "".join(output.get("text", "") for output in check.outputs)
            assert hint.startswith("✘") and len(hint) > 30, hint
            assert "nbval-ignore-output" not in check.metadata.get("tags", [])
            answer = feedback(kernel, solved, check)
            assert "✔" in answer and "✘" not in answer, answer
            done = start


def solution_cell(solution, stub):
    """A célula do exercício com a resposta; a que grava um programa continua a gravá-lo."""
    first = stub.source.splitlines()[0] + "\n"
    magic = first if first.startswith("%%writefile") else ""
    return nbformat.v4.new_code_cell(magic + solution.read_text(encoding="utf-8"))


def feedback(kernel, answer, check):
    """O que a verificação, na última linha da célula, responde a esta resposta."""
    assert kernel.run(answer)[0] == ""
    *before, last = check.source.splitlines()
    asked = nbformat.v4.new_code_cell("\n".join([*before, f"raise SystemExit(str({last}))"]))
    return kernel.run(asked)[1]
