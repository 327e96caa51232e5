"""O que toda verificação usa: a resposta, a comparação, e como dizer o que veio."""

import ast
import re
import reprlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from inspect import getsource, isfunction
from textwrap import dedent
from typing import Any

from echo_lib import progress
from echo_lib.capture import Segment
from echo_lib.errors import CODES, printable
from echo_lib.isolated import NEVER_ENDED, Learner, codes
from echo_lib.trace import Event

MESSAGES = ("oi", "olá, ção 🗣️", "ação " * 400)  # esta, cortada em 1024, parte um ç
BYTE_BY_BYTE = [1] * 40  # os pedaços em que a conexão entrega o que chega
STUB = "Ainda estão ali as reticências: troque-as pela sua resposta."
_NOTHING = (
    "a função devolveu None. Faltou o return? Talvez num caso só, como o do if que não vale. (Um "
    "método como .sort() também devolve None.)"
)
_TAKEN = re.compile(rf"EADDRINUSE|Err(no|or) ({'|'.join(map(str, CODES['EADDRINUSE']))})\b")
HIDDEN = "Se um except engole os erros, tire-o para ver qual é."
_ERASED = "Se houve um erro, o return no finally o apaga: tire-o dali para ver."
_KINDS = {
    bool: "A resposta é True ou False: nem texto, nem número.",
    int: "A resposta é um número inteiro (int).",
    str: "A resposta é um texto (str).",
    list: "A resposta é uma lista, mesmo com um item só.",
}
SPINS = "Um laço dá voltas sem nada esperar nem enviar: o que faz a condição dele mudar?"
LOST_BY_SEND = "send pode aceitar só uma parte dos bytes, e diz quantos; sendall envia todos."


@dataclass(frozen=True)
class Check:
    """O resultado de uma verificação: passou ou não, o que dizer, e o que a tentativa fez.

    `events` são as chamadas da tentativa, ou os segmentos da captura de que se fala.
    """

    ok: bool
    text: str
    events: tuple[Event, ...] | tuple[Segment, ...] = ()

    def __str__(self) -> str:
        return f"{'✔' if self.ok else '✘'} {self.text}"

    __repr__ = __str__

    def exercise(self, number: str) -> "Check":
        """Se passou, anota o exercício como feito; devolve a própria resposta.

        Argumentos:
            number: lição e exercício, como "08.2".
        """
        if not self.ok:
            return self
        try:
            progress.record(number)
        except OSError as error:
            note = f"(Não pude anotar o progresso em {progress.path()}: {error.strerror}.)"
            return replace(self, text=f"{self.text} {note}")
        return self


def passed(text: str) -> Check:
    return Check(True, text)


def failed(text: str, learner: Learner | None = None) -> Check:
    """A resposta de quem não passou, com o que os sockets da tentativa fizeram."""
    if learner and learner.not_a_function:
        return Check(False, learner.not_a_function)
    if learner and not learner.own_events():
        text = text.replace(
            NEVER_ENDED, "Seu código não terminou: um laço não acaba, ou espera algo que não vem?"
        )
    if learner and learner.where:
        text = f"{text.strip()}\nQuando o tempo acabou, o código estava em `{learner.where}`."
    if learner and learner.outside:
        verb = "é" if len(learner.outside) == 1 else "são"
        text = (
            f"{text.strip()}\nSua função lê {' e '.join(learner.outside)}, que {verb} do notebook, "
            "e não dela: era isso que você queria?"
        )
    if learner and learner.useless:
        text = f"{text.strip()}\n{learner.useless}"
    if learner and learner.notes:
        text = f"{text.strip()}\n{learner.notes}"
    return Check(False, text.strip(), learner.events() if learner else ())


def in_a_free_port(judge: Callable[[], Check]) -> Check:
    """A resposta; de novo, se outro programa tomou a porta entre a escolha e o uso."""
    for _ in range(3):
        check = judge()
        if not _TAKEN.search(check.text):
            break
    return check


def and_the_hidden(check: Check, function: Callable[..., Any]) -> Check:
    """O mesmo, e mais uma pista, se a função, ou uma que ela chama, engole qualquer erro."""
    if check.ok or "Seu código parou" in check.text:
        return check
    for each in with_the_called(function):
        with suppress(OSError, TypeError, SyntaxError):
            steps = ast.walk(ast.parse(dedent(getsource(each))))
            if hint := next(filter(None, map(_hides_all, steps)), ""):
                return replace(check, text=f"{check.text}\n{hint}")
    return check


def with_the_called(function: Callable[..., Any]) -> list[Any]:
    """A função e as outras, do mesmo notebook, que ela chama."""
    near: list[Any] = [function]
    for each in near:
        called = [getattr(each, "__globals__", {}).get(name) for name in names(each)]
        near += [f for f in called if isfunction(f) and f not in near]
    return near


def names(function: Any) -> set[str]:
    """Os nomes, de fora e depois de um ponto, que uma função e as de dentro dela usam."""
    return {name for code in codes(function) for name in code.co_names}


def _hides_all(step: ast.AST) -> str:
    """A pista de um except de qualquer erro, que não o lança, ou de um return no finally."""
    if isinstance(step, ast.Try) and any(isinstance(last, ast.Return) for last in step.finalbody):
        return _ERASED
    if not isinstance(step, ast.ExceptHandler):
        return ""
    kinds = step.type.elts if isinstance(step.type, ast.Tuple) else [step.type]
    every = any(k is None or ast.unparse(k) in ("Exception", "BaseException") for k in kinds)
    thrown = any(isinstance(inner, ast.Raise) for inner in ast.walk(step))
    return HIDDEN if every and not thrown else ""


def compare(
    function: Callable[..., Any],
    cases: dict[tuple[Any, ...], Any],
    given: str = "",
    *,
    hint: Callable[..., str],
) -> Check | None:
    """Chama a função do aluno com cada caso; devolve o que há de errado no primeiro, ou None.

    Argumentos:
        cases: os argumentos de cada chamada e o que ela deve devolver.
        given: como dizer os argumentos, quando eles nada dizem ao aluno.
        hint: recebe uma resposta errada, do tipo certo, e os argumentos; devolve a pista.
    """
    with Learner(function) as learner:
        for arguments, expected in cases.items():
            answer, error = learner.call(*arguments)
            what = given or ", ".join(map(reprlib.repr, arguments))
            if error or answer is ... or answer is None:
                said = (error and f"Chamei a função com {what}. {error}") or (
                    STUB if answer is ... else f"Com {what}, {_NOTHING}"
                )
                return failed(said, learner)
            same_kind = type(answer) is type(expected)
            if not same_kind or answer != expected:
                text = f"Com {what}, esperava {expected!r} e recebi {brief(answer)}. "
                said = hint(answer, *arguments) if same_kind else _KINDS[type(expected)]
                wrong = failed(text + said, learner)  # com o que esta chamada mostrou
                turned = _turned_around(learner, cases) if same_kind else ""
                return (
                    replace(wrong, text=wrong.text.replace(text + said, text + turned, 1))
                    if turned
                    else wrong
                )
    return None


def _turned_around(learner: Learner, cases: dict[tuple[Any, ...], Any]) -> str:
    """A pista de quem, entre duas respostas possíveis, dá sempre a outra; "" se não é o caso."""
    one, *rest = cases.values()
    other = next((answer for answer in rest if answer != one), one)
    if one == other or any(answer not in (one, other) for answer in rest):
        return ""
    for arguments, expected in cases.items():
        if learner.call(*arguments)[0] != (other if expected == one else one):
            return ""
    return "Em todos os casos vem a outra: as duas respostas estão trocadas."


def not_expected(
    learner: Learner, what: str, expected: Any, answer: Any, error: str, hint: str = ""
) -> Check:
    """Diz o que se tentou, o que se esperava, o que veio, e a pista."""
    came = error or f"Recebi {brief(answer)}."
    if answer is None and not error:
        hint = hint or "Faltou o return?"
    if "de fora da função" in error:  # o código nem começou
        hint = ""
    return failed(f"Com {what}, esperava {brief(expected)}. {came} {hint}", learner)


def in_seconds(value: float) -> str:
    """«3 s», «2,5 s»."""
    return f"{round(value, 1):g} s".replace(".", ",")


def brief(value: object) -> str:
    """O valor, encurtado para caber numa linha; de bytes com acentos, também o texto."""
    if not isinstance(value, (bytes, str)):
        return reprlib.repr(value)
    shown = repr(value)
    if len(value) > 20:
        unit = "bytes" if isinstance(value, bytes) else "caracteres"
        shown = f"{value[:20]!r} … ({len(value)} {unit})"
    if isinstance(value, str) or value.isascii():
        return shown
    with suppress(UnicodeDecodeError):
        text = printable(value.decode())
        shown += f" “{text[:20]}{'…' if len(text) > 20 else ''}”"
    return shown


def unexplained(error: str) -> str:
    """O erro sem a explicação geral, para quando uma pista diz a causa melhor."""
    return error.partition("\n")[0]


def numbers_listed(answer: Any, expected: bytes) -> str:
    """A pista de quem devolve os números destes bytes no lugar deles; "" se não é o caso."""
    if isinstance(answer, list) and answer and all(item in [*expected] for item in answer):
        return "Devolva bytes: bytes(lista) faz bytes de uma lista de números."
    return ""


def not_decoded(answer: Any) -> str:
    """A pista de quem devolve bytes, ou o retrato deles; "" se não é o caso."""
    if isinstance(answer, bytes):
        return "São bytes, e não texto: faltou o decode?"
    if isinstance(answer, str) and answer.startswith(("b'", 'b"')):
        return "str() de bytes só os mostra entre aspas; quem faz deles texto é decode."
    return ""
