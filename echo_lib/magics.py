"""O que `%load_ext echo_lib` traz: erros de socket explicados em português sob o traceback."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from echo_lib.errors import annotate

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
    shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
