"""O progresso de quem estuda: que exercícios passaram, que lições foram até o fim.

Fica em `progresso.txt`, ao lado dos notebooks e fora do git: uma linha por coisa feita, "08.2"
(exercício) ou "08" (lição). Acrescentar uma linha não estraga as outras, mesmo com vários
notebooks abertos; uma linha que não se entende é ignorada.
"""

import json
import os
import re
from contextlib import suppress
from pathlib import Path

_MARK = re.compile(r"[0-9]{2}(\.[0-9])?")
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
    if not _MARK.fullmatch(str(mark)):
        raise ValueError(
            f'esperava uma lição, como "08", ou exercício, como "08.2"; recebi {mark!r}'
        )
    if str(mark) not in done():
        with path().open("ab+") as file:
            file.seek(0)
            gap = "" if file.read()[-1:] in (b"", b"\n") else "\n"  # um editor pode tê-lo tirado
            file.write(f"{gap}{mark}\n".encode())


def finish(lesson: str) -> None:
    """Anota que a lição foi até a última célula; onde não se pode escrever, não faz nada."""
    with suppress(OSError):
        record(lesson)


def reset() -> "Progress":
    """Esquece tudo o que foi anotado; devolve o progresso, agora vazio."""
    path().unlink(missing_ok=True)
    return Progress()


class Progress:
    """O progresso, lição por lição; num notebook, uma tabela com links."""

    def __init__(self, folder: str | Path = ".") -> None:
        marks, files = done(), sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))
        self._rows = [(file.name, *_row(file, marks)) for file in files]

    def __repr__(self) -> str:
        return "\n".join(f"{title}: {end}; {right}" for _, title, end, right in self._rows)

    def _repr_markdown_(self) -> str:
        rows = [
            f"| [{title}]({name}) | {end} | {right} |" for name, title, end, right in self._rows
        ]
        return "\n".join(["| lição | até o fim | exercícios |", "|---|---|---|", *rows])


def _row(file: Path, marks: set[str]) -> tuple[str, str, str]:
    """De uma lição: o título, se foi até o fim, e os exercícios feitos."""
    text = ""
    with suppress(OSError, ValueError, KeyError, TypeError):  # o aluno pode tê-lo estragado
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    title, numbers = _TITLE.search(text), _EXERCISE.findall(text)
    right = [number for number in numbers if f"{file.name[:2]}.{number}" in marks]
    detail = f" ({', '.join(right)})" if right else ""
    count = f"{'✔ ' if right == numbers else ''}{len(right)} de {len(numbers)}{detail}"
    ended = "✔ sim" if file.name[:2] in marks else "ainda não"
    return title[1] if title else file.stem, ended, count if numbers else "não tem"
