"""As verificações da lição 10: prazo, causa do erro, paciência, e quem sobrevive a tudo."""

from __future__ import annotations

import dis
import errno
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from itertools import pairwise
from threading import Event
from time import monotonic, perf_counter
from typing import Any

from echo_lib import isolated
from echo_lib.checks import peers
from echo_lib.checks.base import (
    LOST_BY_SEND,
    MESSAGES,
    Check,
    and_the_hidden,
    brief,
    failed,
    in_seconds,
    names,
    not_expected,
    passed,
    unexplained,
)
from echo_lib.checks.tutorial import answered, served, waited_for_us, with_echo
from echo_lib.errors import CODES, Address
from echo_lib.isolated import NEVER_ENDED, Learner
from echo_lib.trace import Trace
from echo_lib.worker import EVENTS

_DEADLINE = 1.0  # segundos: o prazo que os exercícios pedem
_PATIENCE = 3.0  # segundos até concluir que o código não desiste do silêncio
_LATE = 0.5  # segundos até o servidor subir
_QUEUE = 8  # pedidos que enchem a fila de um listen(0), com folga
_PAUSE = 0.15  # segundos: a espera pedida entre uma tentativa e outra são 0,2
_SHORT = 0.2  # segundos de um connect que ninguém responde
_ENDLESS = 4  # tentativas, de 2 pedidas: quem passa disso não vai parar
_GIVING_UP = 11.0  # segundos para desistir: no Windows, ser recusado leva uns dois
_SYSTEMS = ("Windows", "macOS", "Linux")
_ANY_TEXT = "mensagem na língua do sistema"
_HOST = "127.0.0.1"
_NEAR = 0.75  # de 0 a 1: o quanto duas palavras se parecem, para uma ser a outra mal escrita
_TOO_SOON = "Você desistiu do cliente calado antes de um segundo."
_NOWHERE = "255.255.255.255"  # não é de máquina alguma: o connect falha sem enviar nada


def has_deadline(function: Callable[[str, int], bytes]) -> Check:
    """Verifica se um cliente desiste de um servidor calado com TimeoutError, em um segundo.

    Argumentos:
        function: recebe host e porta; envia b"oi" e devolve o que o servidor responder.
    """
    with Learner(function) as learner:
        answer, error, address = with_echo(learner)
        if error or answer != b"oi":
            hint = _deadline_hint(learner, address, error)
            error = unexplained(error) if hint else error
            if answer == "oi":
                hint = "São bytes que se pedem: devolva o que o recv trouxe, sem decode."
            return not_expected(learner, "um servidor que responde", b"oi", answer, error, hint)
        if not served(learner.trace)[0]:
            return failed(
                "Um servidor esperava, e a função devolveu b'oi' sem conectar nele.", learner
            )
        if answered(learner, b"oi", b"OI")[0] == b"oi":
            text = (
                "Um servidor respondeu b'OI' a b'oi', e você devolveu b'oi': devolva o que o recv "
                "trouxe."
            )
            return failed(text, learner)
        learner.trace = Trace()
        with learner.trace, socket.create_server((_HOST, 0)) as silent:
            start = monotonic()
            learner.start(*silent.getsockname())
            answer, error = learner.result(_PATIENCE)
            waited = monotonic() - start
        return _after_silence(learner, answer, error, waited)


def _deadline_hint(learner: Learner, address: Address, error: str) -> str:
    """A pista de quem nem recebeu a resposta de um servidor que responde."""
    own = learner.own_events()
    on_recv = any(e.receives and isinstance(e.argument, tuple) for e in own)
    if on_recv or "keyword argument 'timeout'" in error:
        return "O prazo não vai no recv: é do socket, em create_connection ou settimeout."
    if "values to unpack" in error:
        return "O prazo vai depois do par: create_connection((host, porta), timeout=1)."
    silence = _silence(learner)
    if any(event.sends for event in own) and 0 < silence < _DEADLINE / 2:
        return f"Você desistiu em {in_seconds(silence)}: o prazo pedido é de um segundo."
    if not any(event.sends for event in own) and "TimeoutError" in unexplained(error):
        return "Nada foi enviado, e por isso nada voltou: o sendall continua ali?"
    if any(event.argument != address for event in learner.tries()):
        return "A função recebe host e porta: conecte neles."
    return ""


def _after_silence(learner: Learner, answer: Any, error: str, waited: float) -> Check:
    """Diz se o cliente desistiu do servidor calado como devia."""
    what = "O servidor aceitou a conexão e ficou calado."
    if error == NEVER_ENDED:
        hint = f"Em {in_seconds(_PATIENCE)} você não desistiu: sem prazo, ou com um longo demais."
        if learner.expired():
            hint = "O prazo acabou, e você voltou a esperar: deixe o erro sair."
    elif not error:
        hint = f"Esperava TimeoutError, e a função devolveu {brief(answer)}: deixe o erro sair."
    elif "parou com TimeoutError" not in error:
        hint = error
        if learner.expired():
            hint = f"{unexplained(error)}\nEsperava TimeoutError: deixe sair o que vem do recv."
    elif (waited := _silence(learner, waited)) < _DEADLINE / 2:
        hint = f"Você desistiu em {in_seconds(waited)}: o prazo pedido é de um segundo."
    elif long := _too_long(learner):
        hint = long
    else:
        return passed("Certo: responde quem responde, e ninguém espera para sempre.")
    return failed(f"{what} {hint}", learner)


def cause(function: Callable[[BaseException], str]) -> Check:
    """Verifica uma função que diz a causa de uma exceção de socket, em qualquer sistema.

    Argumentos:
        function: recebe a exceção; devolve "recusada", "prazo", "reset", "nome", "em uso" ou
            "outra".
    """
    code = getattr(function, "__code__", None)
    if code and "EADDRINUSE" not in code.co_names:
        systems = set(CODES["EADDRINUSE"])
        steps = [s for s in dis.get_instructions(code) if s.opname.startswith("LOAD_")]
        written = {step.argval for step in steps if step.argval in systems}
        if written and written != systems:
            text = f"{min(written)} só é o código de “em uso” num dos sistemas: "
            return failed(f"{text}errno.EADDRINUSE é o do sistema em que se está.")
    with Learner(function) as learner:
        for error, expected, detail in _causes():
            answer, problem = learner.call(error)
            if problem or answer != expected:
                what = type(error).__name__ + detail
                hint = "" if problem else _cause_hint(error, expected, answer, detail)
                first = (expected, answer, problem, detail) == ("recusada", "outra", "", "")
                if first and "isinstance" in names(function):
                    hint += " Um else é só do último if: entre eles, elif; ou return em cada um."
                    hint += " E ConnectionRefusedError também é um OSError: pergunte por ele antes."
                if "no attribute 'errno'" in problem:
                    hint = "Nem toda exceção tem .errno: pergunte antes se é um OSError."
                return not_expected(learner, what, expected, answer, problem, hint)
    return passed("Certo: nos três sistemas, com o prazo sem código e com o que não é da rede.")


def _causes() -> Iterator[tuple[BaseException, str, str]]:
    """As exceções, o que se espera de cada uma, e o que a distingue das outras do seu tipo."""
    yield ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "recusada", ""
    yield TimeoutError("timed out"), "prazo", " do settimeout"
    yield ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "reset", ""
    yield BrokenPipeError(errno.EPIPE, "Broken pipe"), "reset", ""
    yield socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "nome", ""
    yield OSError(errno.EADDRINUSE, "Address already in use"), "em uso", " de EADDRINUSE"
    yield OSError(errno.EADDRNOTAVAIL, "Cannot assign address"), "outra", " de EADDRNOTAVAIL"
    yield ValueError("este não é da rede"), "outra", ""
    names: list[tuple[str, type[OSError], str]] = [
        ("ECONNREFUSED", ConnectionRefusedError, "recusada"),
        ("ETIMEDOUT", TimeoutError, "prazo"),
        ("ECONNRESET", ConnectionResetError, "reset"),
        ("ECONNABORTED", ConnectionAbortedError, "reset"),
    ]
    for name, kind, expected in names:
        for system, code in zip(_SYSTEMS, CODES[name], strict=True):
            yield kind(code, _ANY_TEXT), expected, f" do {system} ({code})"
    yield socket.gaierror(11001, _ANY_TEXT), "nome", " do Windows (11001)"
    yield socket.gaierror(socket.EAI_AGAIN, _ANY_TEXT), "nome", " de EAI_AGAIN"
    yield OSError(errno.EADDRINUSE, _ANY_TEXT), "em uso", " de EADDRINUSE"


def _cause_hint(error: BaseException, expected: str, answer: Any, detail: str) -> str:
    if answer is None:
        return "Faltou o return neste caso."
    if isinstance(answer, str) and get_close_matches(answer.lower(), [expected], 1, _NEAR):
        return f"É quase isso: escreva-a como no enunciado, {expected!r}."
    if "settimeout" in detail:
        return "O prazo do settimeout não tem código: errno é None. O tipo basta."
    if isinstance(error, ConnectionAbortedError):
        return "No Windows, é assim que chega o cano quebrado: pense na família do erro."
    if any(system in detail for system in _SYSTEMS):
        return "O código e a mensagem mudam de um sistema para outro; o tipo, não."
    if expected == "recusada" and answer == "reset":
        return (
            "Ela também é um ConnectionError: pergunte antes pelo tipo mais particular, e responda "
            "logo (return, ou elif)."
        )
    if expected == "nome":
        return "socket.gaierror também é um OSError, com códigos só seus."
    if expected == "em uso":
        return "Este não tem um tipo só seu: compare erro.errno com errno.EADDRINUSE."
    if isinstance(error, BrokenPipeError):
        return "Pense na família: ConnectionError."
    if expected == "outra":
        return "Nem todo OSError é destes, e há erros que nem são OSError."
    return (
        "O tipo diz quase tudo: isinstance(erro, …), do mais particular ao mais geral; quase todos "
        "são OSError, que fica por último. Aqui o erro não é lançado, e um except não o vê."
    )


def patient_connect(function: Callable[[str, int, int, float], socket.socket]) -> Check:
    """Verifica uma função que conecta e, só quando é recusada, espera e tenta de novo.

    Argumentos:
        function: recebe host, porta, quantas tentativas e o prazo de cada uma; devolve a conexão.
    """
    with Learner(_using(function)) as learner:
        steps = (_server_ready, _server_late, _server_never, _address_of_nobody, _full_queue)
        for step in steps:
            if wrong := step(learner):
                return wrong
    return passed("Certo: insiste quando adianta, desiste na hora, e não insiste à toa.")


def _using(function: Callable[..., Any]) -> Callable[..., Any]:
    """A função do aluno e o uso da conexão que ela devolve: um socket não muda de processo."""

    def connect_and_talk(host: str, port: int, attempts: int, timeout: float) -> Any:
        start = perf_counter()
        conn = function(host, port, attempts, timeout)
        if conn is None:
            return "None, e não uma conexão (faltou o return?)"
        if not isinstance(conn, socket.socket):
            return f"um {type(conn).__name__}, e não uma conexão"
        if conn.fileno() < 0:
            return "uma conexão já fechada, pelo with ou por close"
        with conn:
            kept = conn.gettimeout()
            conn.settimeout(isolated.TIMEOUT)
            conn.sendall(b"oi")
            return conn.recv(2), kept, start

    return connect_and_talk


def _server_ready(learner: Learner) -> Check | None:
    answer, error, _ = with_echo(learner, 3, 5.0)
    if error or not isinstance(answer, tuple):
        came = error or f"Veio {answer}."
        seen = learner.tries()
        if error and not all(e.error for e in seen) and len({e.socket for e in seen}) > 1:
            came = (
                f"{unexplained(error)} A primeira tentativa conectou, e vieram outras: faltou o "
                "return?"
            )
        return failed(f"O servidor já estava no ar. {came}", learner)
    if answer[1] != 5.0:
        came = (
            f"o da conexão é {in_seconds(answer[1])}" if answer[1] else "a conexão não tem nenhum"
        )
        text = f"Pedi um prazo de 5 s, e {came}"
        return failed(f"{text}: falta usar prazo, que fica nela.", learner)
    if (times := len(learner.tries())) > 1:
        text = f"O servidor já estava no ar, e você conectou {times} vezes: falta um return?"
        return failed(text, learner)
    if _waited(learner, answer):
        answer, _, _ = with_echo(learner, 3, 5.0)  # talvez fosse a máquina, ocupada
    text = "Você esperou antes da primeira tentativa: só uma recusa pede espera."
    return failed(text, learner) if _waited(learner, answer) else None


def _waited(learner: Learner, answer: Any) -> bool:
    """Se a primeira tentativa só veio depois de uma espera."""
    seen = learner.tries()
    return isinstance(answer, tuple) and bool(seen) and seen[0].time - answer[2] > _PAUSE


def _server_late(learner: Learner) -> Check | None:
    """O servidor sobe meio segundo depois da primeira tentativa."""
    with _refusing(learner) as holder:
        address = holder.getsockname()
        learner.start(*address, 20, 5.0)
        limit = monotonic() + isolated.TIMEOUT
        while not learner.tries() and learner.running() and monotonic() < limit:
            learner.look(0.05)  # meio segundo depois da primeira recusa, e não do nosso pedido
        Event().wait(_LATE)
        peers.reset(holder)  # sem TIME_WAIT: a porta fica livre no mesmo instante
        with learner.trace, socket.create_server(address) as listener:
            listener.settimeout(isolated.TIMEOUT)
            try:
                with listener.accept()[0] as conn:
                    peers.send(conn, peers.receive(conn, 2))
                answer, error = learner.result()
            except TimeoutError:  # já tinha desistido, ou ainda espera
                answer, error = learner.result(0)
    too_long = _paused(learner)
    if too_long or (not error and isinstance(answer, tuple)):
        return too_long
    what = f"O servidor subiu {in_seconds(_LATE)} depois, e eram 20 tentativas."
    seen, came = learner.tries(), unexplained(error) or f"Veio {answer}."
    if not error and str(answer).startswith("None") and seen and not seen[-1].error:
        return failed(f"{what} A {len(seen)}ª conectou, e veio None: faltou o return?", learner)
    if error == NEVER_ENDED:
        came = "Você ainda esperava: entre uma e outra, são 0,2 s (time.sleep conta segundos)."
    if len(seen) == 1:
        hint = "Você só tentou uma vez."
        if "parou com ConnectionRefusedError" in error:
            hint += (
                " A recusa é um ConnectionRefusedError: capture-o, e tente de novo; raise, só na "
                "última."
            )
        elif error != NEVER_ENDED:
            came = error or came
    elif len(seen) >= 20:
        hint = "As suas acabaram antes: espere um pouco entre uma e outra."
    elif len({event.socket for event in seen}) < len(seen):
        hint = "Um socket cujo connect falhou não serve mais: crie um novo a cada tentativa."
    else:
        hint = f"{len(seen)} foram feitas: use o parâmetro tentativas, e não um número seu."
    return failed(f"{what} {hint} {came}", learner)


def _paused(learner: Learner) -> Check | None:
    """Confere a pausa entre duas tentativas; a menor, porque a máquina ocupada alonga as outras."""
    pauses = [b.time - (a.time + a.duration) for a, b in pairwise(learner.tries())]
    pause = min(pauses, default=0.0)
    if pause <= _DEADLINE:
        return None
    text = f"Entre uma tentativa e outra você esperou {in_seconds(pause)}: são 0,2 s."
    return failed(text, learner)


def _server_never(learner: Learner) -> Check | None:
    with _refusing(learner) as holder:
        learner.start(*holder.getsockname(), 2, 5.0)
        deadline = monotonic() + _GIVING_UP
        while learner.running() and monotonic() < deadline and len(learner.tries()) <= _ENDLESS:
            learner.look(_PAUSE)
        answer, error = learner.result(0)
    if error == NEVER_ENDED:
        text = "Ninguém escutava, e eram 2 tentativas: você continuou tentando."
    elif not error:
        text = f"Ninguém escutava, e a função devolveu {answer}. No fim, deixe o erro sair."
    elif "parou com ConnectionRefusedError" not in error:
        text = f"Ninguém escutava: esperava ConnectionRefusedError. {error}"
    elif (times := len(learner.tries())) != 2:
        text = f"Ninguém escutava: pedi 2 tentativas, e vi {times}."
    else:
        return None
    return failed(text, learner)


def _full_queue(learner: Learner) -> Check | None:
    """Uma fila cheia: o pedido fica sem resposta até o prazo, o que não é uma recusa.

    Fonte: listen(2), «backlog». No Windows, a fila cheia recusa, e nada se prova.
    """
    learner.trace = Trace()
    with learner.trace, ExitStack() as waiting:
        listener = waiting.enter_context(socket.create_server((_HOST, 0), backlog=0))
        for _ in range(_QUEUE):
            first = waiting.enter_context(socket.socket())
            first.settimeout(_SHORT)
            try:
                first.connect(listener.getsockname())
            except TimeoutError:
                break
            except OSError:
                return None
        else:
            return None
        learner.start(*listener.getsockname(), 3, _SHORT)
        answer, error = learner.result()
    if (times := len(learner.tries())) > 1:
        text = f"Ninguém respondeu até o prazo, e você tentou {times} vezes: só a recusa se repete."
    elif error == NEVER_ENDED:
        text = "Ninguém respondeu até o prazo, e você ainda esperava. O prazo vale também para o "
        text += "connect: timeout=prazo, ou settimeout antes do connect."
    elif not error:
        text = f"Ninguém respondeu até o prazo: esperava que o erro saísse. Veio {answer}."
    else:
        return None
    return failed(text, learner)


def _address_of_nobody(learner: Learner) -> Check | None:
    learner.trace = Trace()
    learner.start(_NOWHERE, 61840, 3, 5.0)
    answer, error = learner.result(_GIVING_UP)
    what = f"Com o endereço {_NOWHERE}, que não é de máquina alguma,"
    if not error:
        return failed(f"{what} esperava o erro do sistema, e veio {answer}.", learner)
    insisted = error == NEVER_ENDED or len(learner.tries()) > 1
    text = f"{what} você insistiu: só a recusa passa com o tempo. Este erro, não."
    return failed(text, learner) if insisted else None


def survives(function: Callable[[socket.socket], int]) -> Check:
    """Verifica um servidor de eco que sobrevive a cortes, silêncios e conexões meio fechadas.

    Argumentos:
        function: recebe `conn`; ecoa tudo e devolve quantos bytes ecoou, sem erro.
    """
    with Learner(function) as learner:
        steps = [_talks, _half_closed, _goes_silent, _never_speaks, _is_cut, _is_cut_while_sending]
        for step in [*steps, _leaves_without_reading]:
            if wrong := step(learner):
                return and_the_hidden(wrong, function)
    return passed(
        "Certo: ecoa tudo, conta, e nem corte, nem silêncio, nem conexão meio fechada a derruba."
    )


def _talks(learner: Learner) -> Check | None:
    wrong = _talked(learner)
    return _talked(learner) if wrong and waited_for_us(learner, _DEADLINE) else wrong


def _talked(learner: Learner) -> Check | None:
    peer = learner.connect()
    for message in MESSAGES:
        data = message.encode()
        if (received := peers.exchange(peer, data)) != data:
            error = learner.result(0.5)[1]  # o código pode estar acabando de falhar
            learner.where = "" if received else learner.where
            if not error and 0 < _silence(learner) < 0.9 * _DEADLINE:
                return failed(_TOO_SOON, learner)
            hint = ""
            if not error:
                hint = "A função voltou antes do fim: há um return, um break ou um close no laço?"
            elif error == NEVER_ENDED:
                error, hint = "", "Falta um laço que volte ao recv?"
            if not error.startswith("Seu código parou"):
                hint = _unanswered(learner, received) or hint
            if "UnicodeDecodeError" in error:
                error = unexplained(error)
                hint = "Nem o eco nem a conta pedem texto: os bytes se contam com len(dados)."
            what = f"o envio de {brief(data)}"
            return not_expected(learner, what, data, received, error, hint)
    peers.end(peer)
    what = "três mensagens e o fim"
    wrong = _counted(learner, what, sum(len(m.encode()) for m in MESSAGES))
    return wrong or _more(learner, peer, what)


def _unanswered(learner: Learner, received: bytes) -> str:
    """A pista do que as chamadas mostram: um send, ou uma espera antes de responder."""
    own = learner.look()
    if received and learner.used("send"):
        return LOST_BY_SEND
    first = next((i for i, event in enumerate(own) if event.receives and event.size), len(own))
    if any(event.call == "recv" for event in own[first + 1 : first + 2]):
        return "Você recebeu, e voltou ao recv sem responder: devolva o que cada recv traz."
    return ""


def _half_closed(learner: Learner) -> Check | None:
    data = MESSAGES[2].encode()
    peer = learner.connect()
    peers.send_and_end(peer, data)
    if (received := peers.receive(peer, len(data))) != data:
        what = "um cliente que envia, fecha só o envio e espera o eco"
        error = learner.result(0.5)[1]
        return not_expected(learner, what, data, received, error)
    what = "um cliente que fechou só o envio"
    return _counted(learner, what, len(data)) or _more(learner, peer, what)


def _more(learner: Learner, peer: socket.socket, what: str) -> Check | None:
    """O que dizer de quem, depois do eco, ainda envia; a função já voltou."""
    extra = peers.receive(peer, 32)
    text = f"Com {what}, depois do eco veio mais: {brief(extra)}. Um eco só devolve o que chega."
    return failed(text, learner) if extra else None


def _goes_silent(learner: Learner) -> Check | None:
    peer = learner.connect()
    start = monotonic()  # antes da conversa: o atraso que for nosso só alonga a espera
    peers.exchange(peer, b"oi")
    hint = "O silêncio não é um erro do seu servidor: no prazo, acabe e devolva a conta."
    wrong = _counted(learner, "um cliente que se calou", 2, hint, _PATIENCE)
    if not wrong and _silence(learner, monotonic() - start) < _DEADLINE / 2:
        return failed(_TOO_SOON, learner)
    if not wrong and (long := _too_long(learner)):
        return failed(f"Com um cliente que se calou: {long}", learner)
    return wrong or _more(learner, peer, "um cliente que se calou")


def _never_speaks(learner: Learner) -> Check | None:
    learner.connect()
    hint = "O prazo já vale no primeiro recv?"
    return _counted(learner, "um cliente que nunca falou", 0, hint, _PATIENCE)


def _silence(learner: Learner, otherwise: float = 0.0) -> float:
    """Quanto o código esperou por bytes, de uma vez ou aos pedaços, medido no processo dele."""
    longest = waited = 0.0
    for event in learner.own_events():
        if event.receives:
            waited = waited + event.duration if isinstance(event.error, TimeoutError) else 0.0
            longest = max(longest, waited)
    return longest or otherwise


def _too_long(learner: Learner) -> str:
    """O que dizer de uma espera que passou muito de um segundo, medida no processo do aluno."""
    waits = [event.duration for event in learner.expired()]
    if (whole := sum(wait > 0.9 * _DEADLINE for wait in waits)) > 1:
        return f"Você esperou {whole} prazos, um depois do outro: o pedido é um, de um segundo."
    if max(waits, default=0.0) <= 2 * _DEADLINE:
        return ""
    return f"Seu recv esperou mais de {int(max(waits))} s: o prazo pedido é de um segundo."


def _is_cut(learner: Learner) -> Check | None:
    peer = learner.connect()
    peers.exchange(peer, b"oi")
    peers.reset(peer)
    hint = "Um corte acaba esta conversa, não o servidor: devolva o que já ecoou."
    return _counted(learner, "um cliente que cortou a conexão (RST)", 2, hint)


def _is_cut_while_sending(learner: Learner) -> Check | None:
    """Envia sem ler, até encher, e corta: o código está parado no sendall."""
    peer = learner.connect()
    peers.flood(peer, learner.hunger)
    peers.reset(peer)
    hint = "O corte também pode chegar no sendall."
    return _counted(learner, "um cliente que cortou sem ler o eco", None, hint)


def _leaves_without_reading(learner: Learner) -> Check | None:
    peers.leave(learner.connect(pieces=[2] * 5), b"oi" * 5)
    hint = "No sendall a quem já fechou, o erro é BrokenPipeError: pense na família, ou em OSError."
    return _counted(learner, "um cliente que enviou e fechou sem ler o eco", None, hint)


def _counted(
    learner: Learner, what: str, expected: int | None, hint: str = "", timeout: float | None = None
) -> Check | None:
    """Confere quantos bytes a função diz ter ecoado; com None, os que o rastro, se inteiro, diz."""
    answer, error = learner.result(timeout)
    expected = _echoed(learner) if expected is None else expected
    if error == NEVER_ENDED:
        text = f"Com {what}, você continuou esperando. {_still(learner)} {hint}"
        return failed(text, learner)
    if error:
        if hint and re.search("com (TimeoutError|Connection)", error) and "sendall" not in hint:
            error = unexplained(error)
            hint += " Dois tipos num except vão numa tupla: except (A, B)."
        return failed(f"Com {what}. {error} {hint}", learner)
    if answer is None:
        return failed(f"Com {what}, a função devolveu None. Faltou o return?", learner)
    if type(answer) is not int or expected not in (None, answer):
        hint = _count_hint(learner, answer)
        wanted = "um número" if expected is None else expected
        return failed(f"Com {what}, esperava {wanted}, recebi {brief(answer)}. {hint}", learner)
    return None


def _echoed(learner: Learner) -> int | None:
    """Quantos bytes os sendall que deram certo levaram; None, se o rastro encheu.

    Com send, que leva só uma parte, o que se ecoou de um pedaço é de quem conta.
    """
    own = learner.own_events()
    sent = [event for event in own if event.sends]
    if len(own) == EVENTS or any(event.call != "sendall" for event in sent):
        return None
    return sum(event.size for event in sent if not event.error)


def _count_hint(learner: Learner, answer: Any) -> str:
    """Por que a conta não é a dos bytes ecoados."""
    if type(answer) is not int:
        return "A resposta é um número (int): quantos bytes, e não os bytes."
    if any(event.sends and event.error for event in learner.own_events()):
        return "Os bytes de um sendall que falhou não contam: some depois dele."
    came = [e for e in learner.own_events() if e.receives and e.size]
    if len(came) > 1 and answer == len(came):
        return "Esses são os recv que trouxeram algo: o que se soma é len(dados)."
    if len(came) > 1 and answer == sum(e.argument for e in came if type(e.argument) is int):
        return "Isso é o que o recv podia trazer: o que trouxe é len(dados)."
    if len(came) > 1 and answer == came[-1].size:
        return "Esse é só o último pedaço: some com +=."
    return (
        "Conte os bytes que ecoou, em todos os envios, também quando há um erro, e a partir de 0 "
        "para cada cliente."
    )


def _still(learner: Learner) -> str:
    """Por que o código ainda espera, pelo que os recv dele trouxeram."""
    own = [event for event in learner.own_events() if event.receives]
    if own and not own[-1].size and not own[-1].error:
        return "O recv já devolveu b'': é o fim, saia do laço."
    if any(event.receives for event in learner.expired()):
        return "O prazo acabou, e você voltou ao recv: saia do laço."
    return "Falta um prazo, ou ele é longo demais? Ou falta ver que o recv devolveu b''?"


@contextmanager
def _refusing(learner: Learner) -> Iterator[socket.socket]:
    """Um socket que segura uma porta em que se é recusado: conectado, e não só preso.

    O macOS descarta o pedido a uma porta que só tem um bind, em vez de responder com um RST.
    """
    learner.trace = Trace()
    with socket.create_server((_HOST, 0)) as other, socket.socket() as holder:
        holder.bind((_HOST, 0))
        holder.connect(other.getsockname())
        yield holder
