"""O que `%load_ext echo_lib` traz: erros de socket explicados em português sob o traceback."""

from __future__ import annotations

import os
import socket
import textwrap
from types import TracebackType
from typing import Any

from echo_lib.errors import annotate

_WIDTH = 90  # colunas
_LIBRARY = os.path.dirname(__file__)
_EXPLAINED = (OSError, UnicodeError, OverflowError, TypeError, NameError)


def load(ipython: Any) -> None:
    """Passa a explicar os erros das células; carregar outra vez não faz mal.

    Fonte: ipython.readthedocs.io, InteractiveShell.set_custom_exc e «IPython Events».
    """
    ipython.set_custom_exc(_EXPLAINED, _show)

    # Rodar de novo a célula do %load_ext não deve imprimir um aviso.
    def forget(result: object) -> None:
        ipython.extension_manager.loaded.discard("echo_lib")
        ipython.events.unregister("post_run_cell", forget)

    ipython.events.register("post_run_cell", forget)


def _show(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType | None,
    tb_offset: int | None = None,
) -> None:
    """Mostra o traceback de sempre, com a explicação como nota no fim."""
    annotate(error)
    if notes := getattr(error, "__notes__", None):
        notes[:] = [_wrap(note) for note in notes]
        _cut_library(traceback)
    shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)


def _wrap(note: str) -> str:
    """Quebra as linhas entre as palavras; o notebook as quebraria em qualquer lugar."""
    return "\n".join(textwrap.fill(line, _WIDTH) for line in note.splitlines())


def _cut_library(traceback: TracebackType | None) -> None:
    """Corta o fim do traceback que está dentro da biblioteca: a última seta é a do aluno."""
    last = traceback
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if not file.startswith(_LIBRARY) and file != socket.__file__:
            last = traceback
        traceback = traceback.tb_next
    if last is not None:
        last.tb_next = None
