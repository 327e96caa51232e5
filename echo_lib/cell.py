"""Qual célula do notebook está rodando, para que rodá-la de novo não deixe nada para trás."""

import sys
import threading
from collections.abc import Callable
from typing import Any

_Close = Callable[[], None]
_closers: dict[str, tuple[str, list[tuple[_Close, bool]]]] = {}
waiting: list[_Close] = []  # o que se fecha quando esta execução acabar; quem tira um cuida dele


def close_on_rerun(close: _Close, *, at_end: bool = False) -> None:
    """Guarda `close` para quando esta célula rodar de novo; chama os da execução anterior.

    Fora de um notebook, em outra thread (que não é de célula nenhuma), ou quando a interface não
    diz qual é a célula, não faz nada.

    Argumentos:
        at_end: só é chamado quando a execução seguinte acabar, se ninguém o tirar de `waiting`.

    Fonte: jupyter-client.readthedocs.io, «Messaging in Jupyter» (o cabeçalho da mensagem
    execute_request); o JupyterLab e o VS Code põem `cellId` nos metadados dela.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython else None
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell = parent.get("metadata", {}).get("cellId")
    if not cell:
        return
    execution = parent["header"]["msg_id"]
    previous, closers = _closers.get(cell, (execution, []))
    if previous != execution:
        if late := [older for older, at_end in closers if at_end]:
            waiting.extend(late)
            shell.events.register("post_run_cell", _close_waiting)
        closers[:] = [each for each in closers if not each[1]]
        while closers:  # um por vez: se um falha, ou a célula é parada, os outros ficam para depois
            closers.pop(0)[0]()
    _closers[cell] = (execution, [*closers, (close, at_end)])


def keep_on_rerun(close: _Close) -> None:
    """Desfaz close_on_rerun(close), em qualquer célula; noutra thread, não há o que desfazer."""
    if threading.current_thread() is not threading.main_thread():
        return
    for cell, (execution, closers) in _closers.items():
        _closers[cell] = execution, [each for each in closers if each[0] != close]


def _close_waiting(*result: object) -> None:
    """Fecha o que ninguém quis, no fim da execução, ainda que ela tenha acabado num erro."""
    import IPython

    shell: Any = IPython.get_ipython()
    while waiting:
        waiting.pop()()
    shell.events.unregister("post_run_cell", _close_waiting)
