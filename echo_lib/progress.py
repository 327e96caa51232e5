"""O progresso de quem estuda: que exercícios passaram, que lições foram até o fim.

Fica em `progresso.txt`, ao lado dos notebooks e fora do git: uma linha por coisa feita, "08.2"
(exercício) ou "08" (lição). Acrescentar uma linha não estraga as outras, mesmo com vários
notebooks abertos; uma linha que não se entende é ignorada.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_MARK = re.compile(r"\d\d(\.\d)?")
_EXERCISE = re.compile(r"^## Exercício (\d)", re.MULTILINE)
_TITLE = re.compile(r"^# (.+)", re.MULTILINE)


def path() -> Path:
    """O arquivo do progresso: ECHO_LIB_PROGRESSO, ou progresso.txt na pasta do notebook."""
    return Path(os.environ.get("ECHO_LIB_PROGRESSO") or Path.cwd() / "progresso.txt")


def done() -> set[str]:
    """O que já foi feito, como {"02", "02.1"}; sem o arquivo, ou se ele não abre, nada."""
    try:
        lines = path().read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError:
        return set()
    return {line.strip() for line in lines if _MARK.fullmatch(line.strip())}


def record(mark: str) -> None:
    """Anota um exercício ("08.2") ou uma lição ("08"); de novo, não muda nada.

    Erros:
        ValueError: a marca não tem essa forma.
        OSError: a pasta não deixa escrever.
    """
    if not _MARK.fullmatch(mark):
        raise ValueError(
            f'esperava uma lição, como "08", ou exercício, como "08.2"; recebi {mark!r}'
        )
    if mark not in done():
        with path().open("a", encoding="utf-8") as file:
            file.write(f"{'' if _ends_well() else chr(10)}{mark}\n")


def _ends_well() -> bool:
    """Se o arquivo acaba com um fim de linha; um editor pode tê-lo tirado."""
    try:
        return path().read_bytes()[-1:] in (b"", b"\n")
    except OSError:
        return True


def finish(lesson: str) -> None:
    """Anota que a lição foi até a última célula; onde não se pode escrever, não faz nada."""
    with suppress(OSError):
        record(lesson)


def reset() -> Progress:
    """Esquece tudo o que foi anotado; devolve o progresso, agora vazio."""
    path().unlink(missing_ok=True)
    return Progress()


class Progress:
    """O progresso, lição por lição; num notebook, uma tabela com links."""

    def __init__(self, folder: str | Path = ".") -> None:
        self._done = done()
        self._lessons = [_read(file) for file in sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))]

    def __repr__(self) -> str:
        return "\n".join(f"{title}: {end}; {right}" for _, title, end, right in self._rows())

    def _repr_markdown_(self) -> str:
        rows = [
            f"| [{title}]({file}) | {end} | {right} |" for file, title, end, right in self._rows()
        ]
        return "\n".join(["| lição | até o fim | exercícios |", "|---|---|---|", *rows])

    def _rows(self) -> Iterator[tuple[str, str, str, str]]:
        for file, title, numbers in self._lessons:
            ended = "✔ sim" if file[:2] in self._done else "ainda não"
            yield file, title, ended, self._exercises(file, numbers)

    def _exercises(self, file: str, numbers: list[str]) -> str:
        right = [number for number in numbers if f"{file[:2]}.{number}" in self._done]
        if not numbers:
            return "não tem"
        detail = f" ({', '.join(right)})" if right else ""
        return f"{'✔ ' if right == numbers else ''}{len(right)} de {len(numbers)}{detail}"


def _read(file: Path) -> tuple[str, str, list[str]]:
    """De uma lição: o nome do arquivo, o título e os números dos exercícios."""
    try:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        texts = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
    except (OSError, ValueError, KeyError, TypeError):  # o aluno pode tê-lo estragado
        return file.name, file.stem, []
    text = "\n".join(texts)
    title = _TITLE.search(text)
    return file.name, title[1] if title else file.stem, _EXERCISE.findall(text)
