"""As verificações da lição 08: o fluxo de bytes, e mensagens dentro dele."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
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
    numbers_listed,
    passed,
    unexplained,
)
from echo_lib.isolated import NEVER_ENDED, Learner

_LOST = r"parou com (Connection\w*|BrokenPipe|EOF)Error"
_TOO_MUCH = (
    "Não peça ao recv mais do que falta: o resto é da próxima mensagem (makefile também o pede)."
)
_CLOSED = "A função fechou conn, e quem a chamou ainda ia receber dele. Tire o with, ou o close."
_REST = b"o resto"  # o que vem depois dos oito bytes
_NO_MORE = "Quando a conexão acaba, recv devolve b'', e readline, '': é aí que o laço para."
_ONLY_RECEIVES = (
    "Sua função também enviou {size} byte{s}: quem recebe só recebe. O outro lado os tomaria por "
    "uma mensagem."
)
_TOO_LITTLE = (
    "Um recv devolve de 1 a n bytes: leia o tamanho e o texto com exato. Ele já passa no "
    "exercício 1?"
)


def receives_exactly(function: Callable[[socket.socket, int], bytes]) -> Check:
    """Verifica uma função que recebe exatamente n bytes, em quantos recv forem precisos.

    Argumentos:
        function: recebe `conn` e n; devolve os n bytes. Se a conexão acaba antes, lança
            ConnectionError.
    """
    text = "ação".encode()

    def and_the_rest(conn: socket.socket, n: int) -> tuple[Any, bytes]:
        # O nosso recv é o do sistema, inteiro: os pedaços são do recv do aluno.
        return function(conn, n), socket.SocketType.recv(conn, 7)

    with Learner(function, and_the_rest) as learner:
        for pieces, what in ([6], "de uma vez"), ([1] * 6, "um a um"):
            answer, error = _fed(learner, text, 6, pieces=pieces)
            if error or answer != text:
                what = f"seis bytes que chegaram {what}"
                hint = _exactly_hint(learner, text, answer, error)
                return not_expected(learner, what, text, answer, error, hint)
        # Dois, três, e depois até dez: quem não conta o que falta tira bytes da mensagem seguinte.
        longer = b"\noi  oi "
        answer, error = _fed(learner, longer + _REST, 8, function=1, pieces=[2, 3, 10])
        if error or answer != (longer, _REST):
            hint = _TOO_MUCH
            if "EBADF" in error:  # no recv que é nosso, depois da função
                error, hint = _CLOSED, ""
            elif not error:
                hint = _rest_hint(longer, answer[0])
                mine, next_one = map(brief, answer)
                error = f"Você devolveu {mine}, e para o recv seguinte ficou {next_one}."
            what = f"Com {longer!r}, oito bytes, e mais sete depois."
            return failed(f"{what} {error} {hint}", learner)
        answer, error = _fed(learner, text[:3], 6)
        if not re.search(_LOST, error):
            came = error or f"Sua função devolveu {brief(answer)}, como se fosse tudo."
            hint = (
                "Quando recv devolve b'' (if not parte), não virá mais nada: raise "
                "ConnectionError, sem um except em volta que o apanhe."
            )
            if "ConnectionError" in repr(answer):
                came = "Sua função devolveu o erro, como resposta."
                hint = "Quem lança um erro é raise, e não return."
            return failed(f"A conexão acabou depois de 3 dos 6 bytes. {came} {hint}", learner)
        answer, error = _fed(learner, b"", 0)
        if error or answer != b"":
            hint = "Com n igual a 0 não se chama recv: devolva b''. (recv(0) o dá, e não é o fim.)"
            return not_expected(learner, "n igual a 0", b"", answer, unexplained(error), hint)
    return passed("Certo: nem mais, nem menos, e o fim no meio é um erro.")


def _rest_hint(sent: bytes, mine: Any) -> str:
    """A pista de quem não devolveu estes oito bytes, ou tirou da mensagem seguinte."""
    if not isinstance(mine, bytes):
        return _TOO_MUCH
    if mine.startswith("ação".encode()):
        return "Veio o da chamada anterior: dados começa vazio a cada chamada."
    if mine and not {*sent} <= {*mine} and not (sent + _REST).endswith(mine):
        return "Espaços e fins de linha também são bytes da mensagem: tire o strip."
    if len(mine) < len(sent):
        return "Eram oito: o número é o n que a função recebe."
    return _TOO_MUCH


def _exactly_hint(learner: Learner, text: bytes, answer: Any, error: str) -> str:
    came = [event for event in learner.own_events() if event.receives]
    sizes = [event.size for event in came]
    if re.search(_LOST, error) and sizes:
        if 0 not in sizes or sum(sizes) < len(text):  # o de recv(0) não conta
            return "A conexão não acabou: só b'' (não o de recv(0)) é o fim. E o laço, e o if?"
        if came[-1].argument == len(text) - len(text.decode()):
            return "Você contou letras, que são quatro: junte bytes, sem decode."
        return "Eles já tinham vindo, e você pediu mais: junte-os com += e pare em n bytes."
    if isinstance(answer, str):
        return "É um texto: devolva os bytes, sem decode."
    if isinstance(answer, list):
        hint = "Devolva bytes, e não uma lista: junte com +=, ou b''.join(lista)."
        return numbers_listed(answer, text) or hint
    if not isinstance(answer, bytes) or len(answer) >= len(text):
        return ""
    if len(sizes) > 1 and sum(sizes) < len(text):
        return "O laço parou antes: repita (while, e não if) até ter n bytes, sem mudar o n."
    if len(sizes) > 1:
        return "Os outros vieram, e ficaram de fora: junte-os, dados += parte."
    return "Um recv devolve de 1 a n bytes: falta um laço, ou o return está dentro dele?"


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
                hint = _lines_hint(learner, sent, right, answer) if not error else ""
                ends = [event.size for event in learner.own_events() if event.receives][-2:]
                lost = re.search(_LOST, error) and ends[-1:] == [0]
                hint = _NO_MORE if lost or (error == NEVER_ENDED and ends == [0, 0]) else hint
                return not_expected(learner, what, right, answer, error, hint)
    return passed("Certo: coladas, cortadas, com acentos, a linha vazia e a última.")


def _lines_hint(learner: Learner, sent: bytes, expected: list[str], answer: Any) -> str:
    came = [event.size for event in learner.own_events() if event.receives]
    if not sent:
        return "Sem nenhum byte não há linha nenhuma: a lista é vazia."
    if answer is not None and not isinstance(answer, list):
        return "Devolva uma lista (list), com uma linha em cada item."
    if answer == [sent.decode()]:
        return (
            "Nada foi cortado: faltou split('\\n'), com o fim de linha? (Bytes se comparam com "
            "b'\\n', com o b.)"
        )
    if b"\r" in sent and answer and len(answer) > 1:
        return "Só o \\n encerra: splitlines, e makefile em texto sem newline='\\n', cortam no \\r."
    if expected[0] == "" and isinstance(answer, list) and len(answer) == 4:
        return (
            "Nem sempre são quatro: leia até a conexão acabar, quando readline dá ''. E, se depois "
            "de um fim de linha nada vem, não há outra."
        )
    if expected[0] == "" and answer == expected[:-1]:
        return (
            "No fim vieram dois \\n: um encerra a linha, o outro é uma linha vazia. "
            "rstrip('\\n') tira os dois."
        )
    if expected[0] == "":
        return "Os espaços e as linhas vazias são de quem as enviou: tire só os fins de linha."
    if answer == sent.decode().split():
        return "split() sem nada entre os parênteses corta em todo espaço: use split('\\n')."
    if answer == expected[:2]:
        return "Faltou da linha vazia em diante: ela também é uma linha; no fim, readline dá ''."
    if answer == [*expected, ""]:
        return "Cada fim de linha encerra uma linha; se depois dele nada vem, não há outra."
    if len(came) == 1 and sum(came) < len(sent):
        return "Você parou no primeiro recv, e o resto veio depois: o fim é quando vem b''."
    if answer == expected[:1]:
        return "Só a primeira: o return está dentro do laço, ou você parou no primeiro \\n?"
    if answer == expected[-1:]:
        return "Só a última: a lista é criada dentro do laço?"
    if answer == list(sent.decode()):
        return "São letras, uma a uma: o que corta um texto em linhas é split('\\n')."
    if answer in ([f"{line}\n" for line in expected[1::2]], expected[1::2]):
        return "Cada readline lê a linha seguinte: chame-o uma vez só por volta do laço."
    if answer == [line for line in expected if line]:
        return "Uma linha vazia também é uma linha."
    if answer and (hint := not_decoded(answer[0])):
        return hint
    if answer and answer[:1] == [expected[0] + "\n"]:
        return (
            "Tire de cada uma o fim de linha: replace e rstrip não mudam o texto, devolvem outro."
        )
    if answer == [*expected[:-1], expected[-1][:-1]]:
        return "A última pode não ter fim de linha: tire-o só de quem o tem."
    if answer == expected[:-1]:
        return "O que sobra depois do último fim de linha também é uma linha."
    return _wrong_lines_hint(came, expected, answer)


def _wrong_lines_hint(came: list[int], expected: list[str], answer: Any) -> str:
    """A pista de quem trouxe linhas que não são as que vieram."""
    if not answer:
        return ""
    if any(isinstance(line, list) for line in answer):
        return "Há uma lista dentro da outra: append a põe inteira; extend acrescenta cada item."
    if any("\ufffd" in str(line) for line in answer) and len(came) <= 2:  # inteiro, e o fim
        return "Cada � é um byte que não se soube ler: eles são UTF-8, o do decode() sem nada."
    if any("\ufffd" in str(line) for line in answer):
        return "Cada � é um caractere cortado: junte a linha inteira, em bytes, e só então decode."
    if any("Ã" in str(line) for line in answer):
        return "Cada acento virou duas letras: os bytes são UTF-8, que é o do decode() sem nada."
    if any("\n" in str(line)[:-1] for line in answer):
        return "Um recv não é uma linha: junte os pedaços, e corte em cada \\n."
    if sorted(map(str, answer)) == sorted(expected):
        return "remove tira a primeira que acha, que é a do meio: a do fim se tira com pop()."
    if answer[1:2] == [expected[0] + expected[1]]:
        return "A segunda traz a primeira junto: depois de guardar uma linha, comece outra, vazia."
    if len(answer) == len(expected) and "".join(map(str, answer)).isascii():
        return "Sumiram letras: quem decodifica um pedaço, e ignora os erros, apaga as cortadas."
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
        lambda conn, text: (send(conn, text), send(conn, text))[:0],
    )

    def sends(conn: socket.socket, text: str) -> None:
        send(conn, text)  # o que ela devolve não importa

    with Learner(sends, receive, *twice) as learner:
        for text in ("oi", "", "olá, ção 🗣️", "ação " * 10_000, "x" * 100_000):
            data = struct.pack("!I", len(text.encode())) + text.encode()
            peer = learner.connect(text)
            received = peers.receive(peer, len(data) + 1)  # até o fim: nem um byte a mais
            _, error = learner.result()
            if error or received != data:
                what = f"o envio de {brief(text)}"
                hint = _sending_hint(learner, text, data, received, error)
                error = unexplained(error) if "and 'bytes'" in error else error
                return not_expected(learner, what, data, received, error, hint)
            for sent, pieces, how in (
                (data * 2, [len(data) * 2], ""),
                (data, [1] * 9, ", que chegou um byte por vez"),
            ):
                answer, error = _fed(learner, sent, function=1, pieces=pieces)
                if error or answer != text:
                    what = f"a mensagem {brief(text)}{how}"
                    hint = _framing_hint(learner, data, answer, error)
                    error = unexplained(error) if hint == _TOO_MUCH else error
                    return not_expected(learner, what, text, answer, error, hint)
        data = struct.pack("!I", 2) + b"oi"
        peer = learner.connect("oi", function=3)
        received = peers.receive(peer, 2 * len(data) + 1)
        _, error = learner.result()
        if error or received != 2 * data:
            hint = "Quem envia não fecha: a conversa continua."
            return not_expected(learner, "dois envios", 2 * data, received, error, hint)
        one, two = (struct.pack("!I", n) + b"x" * n for n in (2, 3))
        # Um, dois, e depois todos: quem não conta o que falta tira bytes do que vem depois.
        answer, error = _fed(learner, one + two, function=2, pieces=[1, 2, len(one + two)])
        if error or answer != ["xx", "xxx"]:
            what, hint = "duas mensagens coladas", _TOO_MUCH
            if "EBADF" in error:  # na segunda chamada
                error, hint = _CLOSED, ""
            return not_expected(learner, what, ["xx", "xxx"], answer, error, hint)
        for sent, where in (two[:-1], "a um byte do fim da mensagem"), (two[:2], "no tamanho"):
            answer, error = _fed(learner, sent, function=1)
            if not re.search(_LOST, error):
                came = unexplained(error)
                came = came or f"Sua função devolveu {brief(answer)}, como se fosse a mensagem."
                hint = "Quando recv devolve b'', lance ConnectionError, como no exercício 1."
                return failed(f"A conexão acabou {where}. {came} {hint}", learner)
    return passed("Certo: curtas, vazias, com acentos e compridas; coladas e cortadas.")


def _sending_hint(learner: Learner, text: str, data: bytes, received: bytes, error: str) -> str:
    if error == NEVER_ENDED and received == data:
        return "O envio está certo, e depois dele você espera uma resposta: quem envia só envia."
    if learner.sent_a_part():
        return LOST_BY_SEND
    if not received and not error:
        empty = "Uma mensagem vazia também viaja: quatro bytes, com o tamanho zero."
        return "Nada foi enviado: faltou o sendall?" if text else empty
    if "str to bytes" in error:
        return "O texto vai em bytes: texto.encode(), e é deles que se conta o tamanho."
    if "'int' and 'bytes'" in error:
        return "Um número não se soma a bytes: struct.pack('!I', len(dados)) faz dele 4 bytes."
    said, size = received[:4], len(text.encode())
    if said == struct.pack("!I", len(text)) != data[:4]:
        return (
            f"O tamanho foi {len(text)}, que são as letras; em bytes, {size}: len(texto.encode())."
        )
    if said == struct.pack("!I", size + 4):
        return f"O tamanho foi {size + 4}: é só o do texto, {size}, sem contar os 4 bytes dele."
    return "São 4 bytes, struct.pack('!I', tamanho em bytes), e depois o texto."


def _framing_hint(learner: Learner, data: bytes, answer: Any, error: str) -> str:
    if "quem recebe só recebe" in error:
        return ""
    text, (_, came) = data[4:].decode(), learner.totals()
    if "UnicodeDecodeError" in error and came > len(data):
        return _TOO_MUCH  # o tamanho da seguinte pode não ser texto
    if isinstance(answer, str) and answer.startswith(text) and answer != text:
        return _beyond_hint(data, answer)
    if isinstance(answer, str) and answer[:4].encode() == data[:4] and answer[4:]:
        return "Os 4 primeiros bytes são o tamanho: leia-os antes, com exato(conn, 4) e unpack."
    if isinstance(answer, str) and answer == text.strip() != text:
        return "Os espaços são da mensagem: tire o strip."
    if type(answer) is int:
        return f"{answer} é o tamanho: com ele, receba o texto, e devolva-o."
    if isinstance(answer, tuple):
        size = any(type(item) is int for item in answer)
        comma = "A vírgula no fim do return faz uma tupla de um item só: tire-a."
        return "Devolva só o texto, sem o tamanho." if size else comma
    if "bytes-like object is required" in error and "socket" in error.lower():
        return "unpack lê bytes, e não conn: receba-os antes, com exato(conn, 4)."
    if hint := not_decoded(answer):
        return hint
    if re.search(_LOST, error) and not text:
        return "Um texto vazio tem tamanho 0, e recv(0) devolve b'', que aí não é o fim."
    if answer == struct.pack("!I", len(text)).decode(errors="replace"):
        return "Esse é o tamanho, e não o texto: com ele, receba o texto."
    if re.search(_LOST, error) and came >= len(data):
        asked = [e.argument for e in learner.own_events() if e.receives]
        if all(isinstance(size, int) and size <= len(data) for size in asked):
            return "Os bytes já tinham vindo, e você pediu mais: junte-os com +=, até o tamanho."
        return "Você pediu mais bytes do que o tamanho diz: leia-o com '!I', a ordem da rede."
    if not error and came == 4 < len(data) and answer == "":
        return "Você leu o tamanho, e do texto nada: ele é só o do texto, sem contar os 4 bytes."
    if "'tuple'" in error:
        return "unpack devolve uma tupla, mesmo de um número só: use [0]."
    short = isinstance(answer, str) and text.startswith(answer) and came < len(data)
    return _TOO_LITTLE if short or ("unpack requires" in error and came < 4) else ""


def _beyond_hint(data: bytes, answer: str) -> str:
    """A pista de quem leu além da mensagem."""
    size = len(data) - 4
    if len(answer) == size != len(data[4:].decode()):
        return "O tamanho conta bytes, e você contou letras: junte os bytes, e só então decode."
    if len(answer.encode()) == size + 4:
        return "Veio a mais o começo da seguinte: o tamanho não conta os 4 bytes dele."
    return _TOO_MUCH


def _fed(
    learner: Learner, data: bytes, *arguments: Any, function: int = 0, pieces: Any = ()
) -> tuple[Any, str]:
    """Chama a função com uma conexão em que chegam estes bytes, nestes pedaços, e depois o fim."""
    peer = learner.connect(*arguments, function=function, pieces=pieces)
    feeder = threading.Thread(target=peers.send_and_end, args=(peer, data), daemon=True)
    feeder.start()
    answer, error = learner.result()
    with suppress(OSError):  # solta quem ainda envia; sem rastro, pois não é da conversa
        socket.SocketType.shutdown(peer, socket.SHUT_RDWR)
    feeder.join(isolated.TIMEOUT)
    gone, _ = learner.totals()
    return answer, error or (_ONLY_RECEIVES.format(size=gone, s="s" * (gone > 1)) if gone else "")
