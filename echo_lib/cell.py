"""Qual célula do notebook está rodando, para que rodá-la de novo não deixe nada para trás."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

_closers: dict[str, tuple[str, list[Callable[[], None]]]] = {}


def close_on_rerun(close: Callable[[], None]) -> None:
    """Guarda `close` para quando esta célula rodar de novo; chama os da execução anterior.

    Fora de um notebook, em outra thread (que não é de célula nenhuma), ou quando a interface não
    diz qual é a célula, não faz nada.
    """
    cell, execution = _running()
    if not cell:
        return
    previous, closers = _closers.get(cell, (execution, []))
    if previous != execution:
        for older in closers:
            older()
        closers = []
    _closers[cell] = (execution, [*closers, close])


def left_by_last_run() -> list[Callable[[], None]]:
    """O que close_on_rerun() vai chamar; quem tira algo desta lista passa a cuidar dele."""
    cell, execution = _running()
    previous, closers = _closers.get(cell, (execution, []))
    return closers if previous != execution else []


def _running() -> tuple[str, str]:
    """A célula que está rodando e esta execução dela; "" se não há, ou não se sabe.

    Fonte: jupyter-client.readthedocs.io, «Messaging in Jupyter» (o cabeçalho da mensagem
    execute_request); o JupyterLab e o VS Code põem `cellId` nos metadados dela.
    """
    if threading.current_thread() is not threading.main_thread():
        return "", ""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython else None
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return parent.get("metadata", {}).get("cellId") or "", parent.get("header", {}).get(
        "msg_id", ""
    )
