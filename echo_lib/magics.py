"""O que `%load_ext echo_lib` traz a um notebook.

Erros de socket explicados sob o traceback, `%%rastrear`, e o desenho da tentativa que falhou numa
verificação.
"""

import ast
import builtins
import inspect
import os
import re
import socket
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from keyword import iskeyword
from time import monotonic, sleep
from types import TracebackType
from typing import Any

from IPython import get_ipython
from IPython.core.error import UsageError
from IPython.display import SVG, display

from echo_lib.checks.base import Check
from echo_lib.errors import Explanation, annotate, behind
from echo_lib.isolated import waits_for_its_turn
from echo_lib.trace import Trace

_WIDTH = 90  # colunas
_QUIET, _SETTLE = 0.03, 0.5  # segundos sem chamadas novas; e o máximo que se espera por isso
_MAGIC = ("cell", "rastrear")
_DRAWN = 24  # chamadas da tentativa que se desenham: as últimas, onde está o engano
_SIDE_BY_SIDE = 2  # conexões, cada uma com duas colunas
_PROGRAM = str(
    Explanation(
        "este código encerrou o programa em que roda (sys.exit); numa célula, só ela para.",
        "há nela um sys.exit, ou é o texto de um programa: aqui, sys.argv não traz host e porta.",
        "tire o sys.exit; um programa se grava com %%writefile, e quem o roda é o terminal.",
    )
)
_STALE = (
    "`{}` ainda é a de antes: a célula que a define tem um erro de sintaxe e não rodou. Conserte-a "
    "e execute-a antes desta."
)
_LIBRARY = os.path.dirname(__file__)
_DEFINED = re.compile(r"^(?:async +)?def +(\w+)", re.MULTILINE)
_stale: dict[str, Any] = {}  # as funções de antes, cuja célula nova tem um erro de sintaxe


def load(ipython: Any) -> None:
    """Passa a explicar os erros das células; carregar outra vez não faz mal.

    Fonte: ipython.readthedocs.io, InteractiveShell.set_custom_exc e «IPython Events».
    """
    ipython.set_custom_exc((Exception, KeyboardInterrupt), _show)
    shown = ipython.display_formatter.ipython_display_formatter
    shown.for_type(Check, _show_check)
    ipython.register_magic_function(lambda line, cell: _rastrear(ipython, line, cell), *_MAGIC)

    ipython.events.register("post_run_cell", _after_the_cell)
    ipython.events.register("pre_run_cell", _warn_of_what_did_not_run)
    if getattr(threading.excepthook, "func", None) is not _show_of_a_thread:
        threading.excepthook = partial(_show_of_a_thread, threading.excepthook)

    # Rodar de novo a célula do %load_ext não deve imprimir um aviso: no começo da célula seguinte,
    # o IPython esquece que já o carregou.
    def forget(_: object) -> None:
        ipython.extension_manager.loaded.discard("echo_lib")
        ipython.events.unregister("pre_run_cell", forget)

    ipython.events.register("pre_run_cell", forget)


def _rastrear(shell: Any, line: str, cell: str) -> Any:
    """%%rastrear [nome]: desenha, ao vivo, o que os sockets desta célula fazem.

    Sem nome, começa um rastro novo, na variável `rastro`; com nome, continua o que houver nela.
    O que continuar rodando depois da célula continua no rastro, e no desenho.
    """
    from echo_lib.panels import SequenceDiagram

    name = line.strip() or "rastro"
    trace = shell.user_ns.get(name, Trace()) if line.strip() else Trace()
    free = name.isidentifier() and not iskeyword(name) and not hasattr(builtins, name)
    if not isinstance(trace, Trace) or not free:
        raise ValueError(
            f"esperava %%rastrear, ou %%rastrear com o nome de um rastro; recebi {name!r}. "
            "Use um nome ainda livre, ou nenhum."
        )
    shell.user_ns[name] = trace
    diagram = SequenceDiagram(trace)
    shown = display(diagram, display_id=True)  # type: ignore[no-untyped-call]
    try:
        with trace:
            return _run(shell, cell)
    finally:
        _settle(trace)
        shown.update(diagram)  # o retrato parado, para quem lê sem kernel, agora completo


def _settle(trace: Trace) -> None:
    """Espera o rastro ficar quieto: outras threads acabam o que a célula provocou."""
    seen, deadline = 0, monotonic() + _SETTLE
    me = os.getpid(), threading.get_native_id()
    while monotonic() < deadline and (
        (new := trace.events(after=seen)) or waits_for_its_turn(*me)  # numa máquina ocupada
    ):
        seen = max((event.number for event in new), default=seen)
        sleep(_QUIET)


def _run(shell: Any, cell: str) -> Any:
    """Roda o código de uma célula e devolve o valor da última expressão, como a célula faria."""
    source = "\n" + shell.transform_cell(cell)  # a primeira linha da célula é o %%rastrear
    name = shell.compile.cache(source, shell.execution_count - 1)  # o IPython já contou esta
    tree = shell.compile.ast_parse(source, filename=name)
    top_level_await = shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with top_level_await, warnings.catch_warnings(action="ignore"):
        waits = shell.compile(tree, name, "exec").co_flags & inspect.CO_COROUTINE
    if waits:
        raise ValueError(
            "esperava código sem await fora de função. Use, numa célula comum, "
            "`with Trace() as rastro:` e depois SequenceDiagram(rastro)."
        )
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr) and not source.rstrip().endswith(";"):
        tree.body.pop()
    else:
        last = None
    exec(shell.compile(tree, name, "exec"), shell.user_ns)
    return last and eval(shell.compile(ast.Expression(last.value), name, "eval"), shell.user_ns)


def _show_check(check: Check) -> None:
    """A resposta de uma verificação e, se a tentativa falhou, o que os sockets fizeram."""
    from echo_lib.panels import still

    print(_wrap(str(check)))
    if not check.ok and check.events:
        kept = _newest(check.events)
        picture = still.svg(kept, skipped=len(check.events) - len(kept), last=_DRAWN)
        display(SVG(picture))  # type: ignore[no-untyped-call]


def _newest(events: Sequence[Any]) -> list[Any]:
    """As chamadas das últimas conexões em que algo se passou: mais que isso não cabe na página."""
    recent = dict.fromkeys(event.connection for event in reversed(events) if event.connection)
    kept = {None, *islice(recent, _SIDE_BY_SIDE)}
    return [event for event in events if event.connection in kept]


def _show(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType | None,
    tb_offset: int | None = None,
) -> None:
    """Mostra o traceback de sempre, com a explicação como nota no fim."""
    traceback = _skip_magic(traceback)
    notes = _explain(error, traceback)
    shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
    _let_go(error)
    if notes and isinstance(error, UsageError):  # o IPython mostra deste só a mensagem
        print(*notes, sep="\n", file=sys.stderr)


def _let_go(error: BaseException) -> None:
    """Esquece as variáveis das funções que pararam e que tinham um socket.

    O traceback, que o Python guarda para `%debug`, as guarda: o socket que só elas conheciam
    ficaria aberto, e a mesma célula, executada de novo, acharia a porta em uso.
    """
    for failed in (error, *behind(error, context=True)):
        for step in _steps(failed.__traceback__):
            frame = step.tb_frame  # o da célula tem as variáveis do notebook, que continuam
            held = () if frame.f_locals is frame.f_globals else frame.f_locals.values()
            if any(issubclass(type(value), socket.SocketType) for value in held):
                with suppress(RuntimeError):  # a função ainda roda
                    frame.clear()
                _ = frame.f_locals  # até o Python 3.12, só isto solta o que se leu acima


def _show_of_a_thread(show: Any, problem: threading.ExceptHookArgs) -> None:
    """O erro de uma thread, que o Python mostra em stderr, com a explicação no fim."""
    try:
        if problem.exc_value is not None:
            _explain(problem.exc_value, problem.exc_traceback)
    finally:
        show(problem)


def _explain(error: BaseException, traceback: TracebackType | None) -> list[str]:
    """Põe na exceção a explicação, como notas, e devolve as notas."""
    annotate(error)
    notes: list[str] = getattr(error, "__notes__", [])
    notes[:] = map(_wrap, notes)
    refused = str(error).startswith("esperava ")  # um argumento que a biblioteca não aceita
    if notes or refused or isinstance(error, KeyboardInterrupt):
        _cut_library(traceback)
    return notes


def _after_the_cell(result: Any) -> None:
    """Explica o que `_show` não sabe: um sys.exit, ou um return solto e outros erros de sintaxe.

    E anota as funções que continuam sendo as de antes: a célula delas não chegou a rodar.
    """
    ended = getattr(result, "error_in_exec", None)
    if isinstance(ended, SystemExit):
        print(_wrap(_PROGRAM), file=sys.stderr)
        _let_go(ended)
    error = getattr(result, "error_before_exec", None)  # de uma célula cancelada, não há result
    if isinstance(error, SyntaxError) and not hasattr(error, "__notes__"):
        annotate(error)
        print(*map(_wrap, getattr(error, "__notes__", [])), sep="\n", file=sys.stderr)
    cell = getattr(getattr(result, "info", None), "raw_cell", "")
    if isinstance(error or ended, SyntaxError) and _tree(cell) is None:  # não um return solto
        space = get_ipython().user_ns
        _stale.update({name: space[name] for name in _DEFINED.findall(cell) if name in space})


def _warn_of_what_did_not_run(info: Any) -> None:
    """Diz, a quem usa uma dessas funções, que não é a que está escrita na célula dela."""
    tree = _tree(info.raw_cell) if _stale else None
    steps = [*ast.walk(tree)] if tree else []
    names = [step for step in steps if isinstance(step, ast.Name)]
    named = {step.id for step in names}
    made = {step.id for step in names if isinstance(step.ctx, ast.Store)}
    made |= {
        step.name for step in steps if isinstance(step, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    made |= {step.arg for step in steps if isinstance(step, ast.arg)}
    space: dict[str, Any] = get_ipython().user_ns
    for name, old in [*_stale.items()]:
        if space.get(name) is not old:
            del _stale[name]
        elif name in named - made:
            print(_wrap(_STALE.format(name)))


def _tree(cell: str) -> ast.Module | None:
    """O código de uma célula, sem o que não é Python; None, se não se entende."""
    if cell.startswith("%%") and not cell.startswith("%%rastrear"):
        return ast.Module([], [])
    # ValueError: no Python 3.11, de uma célula com o caractere nulo.
    with suppress(SyntaxError, ValueError), warnings.catch_warnings(action="ignore"):
        return ast.parse(re.sub("^[%!].*", "", cell, flags=re.MULTILINE))
    return None


def _skip_magic(traceback: TracebackType | None) -> TracebackType | None:
    """Sem os passos do %%rastrear: a primeira linha é a do aluno."""
    inside = [step.tb_next for step in _steps(traceback) if step.tb_frame.f_code is _run.__code__]
    return inside[-1] if inside else traceback


def _steps(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _wrap(text: str) -> str:
    """Quebra as linhas entre as palavras; o notebook as quebraria em qualquer lugar."""
    return "\n".join(textwrap.fill(line, _WIDTH) for line in text.splitlines())


def _cut_library(traceback: TracebackType | None) -> None:
    """Corta o fim do traceback que está dentro da biblioteca: a última seta é a do aluno."""
    for step in reversed([*_steps(traceback)]):
        file = step.tb_frame.f_code.co_filename
        if not file.startswith(_LIBRARY) and file != socket.__file__:
            step.tb_next = None
            break
