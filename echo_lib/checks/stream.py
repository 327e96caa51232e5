"""As verificações da lição 08: o fluxo de bytes, e mensagens dentro dele."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

from echo_lib import isolated
from echo_lib.checks import peers
from echo_lib.checks.base import (
    LOST_BY_SEND,
    Check,
    brief,
    failed,
    not_decoded,
    not_expected,
    passed,
)
from echo_lib.isolated import NEVER_ENDED, SENT_AT_ONCE, Learner

_LOST = r"parou com (Connection\w*|BrokenPipe|EOF)Error"
_TOO_MUCH = "Não peça ao recv mais do que falta: o resto é da próxima mensagem."
_TOO_LITTLE = "Um recv devolve de 1 a n bytes: leia o tamanho e o texto com exato."


def receives_exactly(function: Callable[[socket.socket, int], bytes]) -> Check:
    """Verifica uma função que recebe exatamente n bytes, em quantos recv forem precisos.

    Argumentos:
        function: recebe `conn` e n; devolve os n bytes. Se a conexão acaba antes, lança
            ConnectionError.
    """
    text = "ação".encode()
    with Learner(function, lambda conn, n: (function(conn, n), conn.recv(7))) as learner:
        for pieces, what in ([6], "de uma vez"), ([1] * 6, "um a um"):
            answer, error = _fed(learner, text, 6, pieces=pieces)
            if error or answer != text:
                what = f"seis bytes que chegaram {what}"
                hint = _exactly_hint(learner, text, answer, error)
                return not_expected(learner, what, text, answer, error, hint)
        # Três, e depois até dez: um laço que pede sempre n tira bytes da mensagem seguinte.
        answer, error = _fed(learner, text + b"o resto", 6, function=1, pieces=[3, 10])
        if error or answer != (text, b"o resto"):
            hint = _TOO_MUCH
            if "EBADF" in error:  # no recv que é nosso, depois da função
                error = "A função fechou conn, e quem a chamou ainda ia receber dele."
                hint = "Tire o with, ou o close."
            elif not error:
                mine, next_one = map(brief, answer)
                error = f"Você devolveu {mine}, e para o recv seguinte ficou {next_one}."
            return failed(f"Com seis bytes, e mais sete depois. {error} {hint}", learner)
        answer, error = _fed(learner, text[:3], 6)
        if not re.search(_LOST, error):
            came = error or f"Sua função devolveu {brief(answer)}, como se fosse tudo."
            hint = "Quando recv devolve b'', lance ConnectionError: não virá mais nada."
            return failed(f"A conexão acabou depois de 3 dos 6 bytes. {came} {hint}", learner)
    return passed("Certo: nem mais, nem menos, e o fim no meio é um erro.")


def _exactly_hint(learner: Learner, text: bytes, answer: Any, error: str) -> str:
    if re.search(_LOST, error):
        if sum(event.size for event in learner.own_events() if event.receives) >= len(text):
            return "Eles já tinham vindo, e você pediu mais: junte-os com += e pare em n bytes."
        return "A conexão não acabou: os outros bytes ainda vinham. E o laço?"
    if isinstance(answer, str):
        return "É um texto: devolva os bytes, sem decode."
    short = isinstance(answer, bytes) and len(answer) < len(text)
    return "Um recv devolve de 1 a n bytes: falta um laço?" if short else ""


def lines(function: Callable[[socket.socket], list[str]]) -> Check:
    """Verifica uma função que recebe linhas de texto, até a conexão acabar.

    Argumentos:
        function: recebe `conn`; devolve a lista das linhas, sem o fim de linha.
    """
    data = "olá\nção 🗣️\n\nfim\n".encode()
    expected = ["olá", "ção 🗣️", "", "fim"]
    spaced = ["", "  oi ", ""]
    cases = {
        "quatro linhas, coladas, num só recv": (data, [len(data)], expected),
        "quatro linhas, um byte por vez": (data, [1] * len(data), expected),
        "quatro linhas, a última sem o fim de linha": (data[:-1], [len(data)], expected),
        "b'\\n  oi \\n\\n'": (b"\n  oi \n\n", [], spaced),
        "b'a\\rb\\n'": (b"a\rb\n", [], ["a\rb"]),
        "uma conexão sem nenhum byte": (b"", [], []),
    }
    with Learner(function) as learner:
        for what, (sent, pieces, right) in cases.items():
            answer, error = _fed(learner, sent, pieces=pieces)
            if error or answer != right:
                hint = "" if error else _lines_hint(learner, sent, right, answer)
                return not_expected(learner, what, right, answer, error, hint)
    return passed("Certo: coladas, cortadas, com acentos, a linha vazia e a última.")


def _lines_hint(learner: Learner, sent: bytes, expected: list[str], answer: Any) -> str:
    came = [event.size for event in learner.own_events() if event.receives]
    if not sent:
        return "Sem nenhum byte não há linha nenhuma: a lista é vazia."
    if answer is not None and not isinstance(answer, list):
        return "Devolva uma lista (list), com uma linha em cada item."
    if answer == [sent.decode()]:
        return "Nada foi cortado: o fim de linha se escreve '\\n'."
    if b"\r" in sent and answer and len(answer) > 1:
        return "Só o \\n encerra: splitlines, e makefile em texto sem newline='\\n', cortam no \\r."
    if expected[0] == "":
        return "Os espaços e as linhas vazias são de quem as enviou: tire só os fins de linha."
    if answer == sent.decode().split():
        return "split() sem nada entre os parênteses corta em todo espaço: use split('\\n')."
    if answer == expected[:2]:
        return "Faltou da linha vazia em diante: ela também é uma linha; no fim, readline dá ''."
    if answer == [*expected, ""]:
        return "Cada fim de linha encerra uma linha; depois do último, não começa outra."
    if len(came) == 1 and sum(came) < len(sent):
        return "Você chamou recv uma vez só, e o resto veio depois."
    if answer == [line for line in expected if line]:
        return "Uma linha vazia também é uma linha."
    if answer and (hint := not_decoded(answer[0])):
        return hint
    if answer and answer[:1] == [expected[0] + "\n"]:
        return "Tire de cada uma o fim de linha."
    if answer == [*expected[:-1], expected[-1][:-1]]:
        return "A última pode não ter fim de linha: tire-o só de quem o tem."
    if answer == expected[:-1]:
        return "O que sobra depois do último fim de linha também é uma linha."
    return ""


def framing(
    send: Callable[[socket.socket, str], Any], receive: Callable[[socket.socket], str]
) -> Check:
    """Verifica um par de funções que envia e recebe mensagens precedidas do tamanho.

    Argumentos:
        send: recebe `conn` e o texto; envia 4 bytes com o tamanho, em ordem de rede, e o texto.
        receive: recebe `conn`; devolve o texto da próxima mensagem.
    """
    twice = (
        lambda conn: [receive(conn), receive(conn)],
        lambda conn, text: (send(conn, text), send(conn, text)),
    )
    with Learner(send, receive, *twice) as learner:
        for text in ("oi", "", "olá, ção 🗣️", "ação " * 10_000, "x" * 2**17):
            data = struct.pack("!I", len(text.encode())) + text.encode()
            peer = learner.connect(text)
            received = peers.receive(peer, len(data) + 1)  # até o fim: nem um byte a mais
            _, error = learner.result()
            if error or received != data:
                what = f"o envio de {brief(text)}"
                hint = _sending_hint(learner, text, data, received, error)
                return not_expected(learner, what, data, received, error, hint)
            for sent, pieces, how in (
                (data * 2, [len(data) * 2], ""),
                (data, [1] * 9, ", que chegou um byte por vez"),
            ):
                answer, error = _fed(learner, sent, function=1, pieces=pieces)
                if error or answer != text:
                    what = f"a mensagem {brief(text)}{how}"
                    hint = _framing_hint(learner, data, answer, error)
                    return not_expected(learner, what, text, answer, error, hint)
        data = struct.pack("!I", 2) + b"oi"
        peer = learner.connect("oi", function=3)
        received = peers.receive(peer, 2 * len(data) + 1)
        _, error = learner.result()
        if error or received != 2 * data:
            hint = "Quem envia não fecha: a conversa continua."
            return not_expected(learner, "dois envios", 2 * data, received, error, hint)
        one, two = (struct.pack("!I", n) + b"x" * n for n in (2, 3))
        answer, error = _fed(learner, one + two, function=2)
        if error or answer != ["xx", "xxx"]:
            what = "duas mensagens coladas"
            return not_expected(learner, what, ["xx", "xxx"], answer, error, _TOO_MUCH)
        answer, error = _fed(learner, two[:-1], function=1)
        if not error or error == NEVER_ENDED:
            came = error or f"Sua função devolveu {brief(answer)}, como se fosse a mensagem."
            hint = "Quando recv devolve b'', lance ConnectionError, como no exercício 1."
            return failed(f"A conexão acabou a um byte do fim da mensagem. {came} {hint}", learner)
    return passed("Certo: curtas, vazias, com acentos e compridas; coladas e cortadas.")


def _sending_hint(learner: Learner, text: str, data: bytes, received: bytes, error: str) -> str:
    if error == NEVER_ENDED and received == data:
        return "O envio está certo, e depois dele você espera uma resposta: quem envia só envia."
    if any(e.call == "send" and e.size == SENT_AT_ONCE for e in learner.own_events()):
        return LOST_BY_SEND
    if not received and not error:
        empty = "Uma mensagem vazia também viaja: quatro bytes, com o tamanho zero."
        return "Nada foi enviado: faltou o sendall?" if text else empty
    return "São 4 bytes, struct.pack('!I', tamanho em bytes), e depois o texto."


def _framing_hint(learner: Learner, data: bytes, answer: Any, error: str) -> str:
    text, came = data[4:].decode(), sum(e.size for e in learner.own_events() if e.receives)
    if isinstance(answer, str) and answer.startswith(text) and answer != text:
        return _TOO_MUCH
    if hint := not_decoded(answer):
        return hint
    if re.search(_LOST, error) and came >= len(data):
        return "Você pediu mais bytes do que o tamanho diz: leia-o com '!I', a ordem da rede."
    if not error and came == 4 < len(data) and answer == "":
        return "Você leu o tamanho, e do texto nada: ele é só o do texto, sem contar os 4 bytes."
    if "'tuple'" in error:
        return "unpack devolve uma tupla, mesmo de um número só: use [0]."
    short = isinstance(answer, str) and text.startswith(answer) and came < len(data)
    return _TOO_LITTLE if short or ("unpack requires" in error and came < 4) else ""


def _fed(
    learner: Learner, data: bytes, *arguments: Any, function: int = 0, pieces: Any = ()
) -> tuple[Any, str]:
    """Chama a função com uma conexão em que chegam estes bytes, nestes pedaços, e depois o fim."""
    peer = learner.connect(*arguments, function=function, pieces=pieces)
    feeder = threading.Thread(target=peers.send_and_end, args=(peer, data), daemon=True)
    feeder.start()
    outcome = learner.result()
    peers.cut(peer)
    feeder.join(isolated.TIMEOUT)
    return outcome
