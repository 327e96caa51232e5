"""As verificações das lições 02 a 05: endereço e porta, um cliente, um servidor."""

from __future__ import annotations

import math
import re
import socket
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise, takewhile
from time import monotonic, sleep
from typing import Any

from echo_lib import isolated, network
from echo_lib.checks import peers
from echo_lib.checks.base import (
    BYTE_BY_BYTE,
    LOST_BY_SEND,
    MESSAGES,
    SPINS,
    STUB,
    Check,
    and_the_hidden,
    brief,
    compare,
    failed,
    in_seconds,
    names,
    not_decoded,
    passed,
    unexplained,
    with_the_called,
)
from echo_lib.errors import Address
from echo_lib.isolated import NEVER_ENDED, Learner
from echo_lib.server import EchoServer
from echo_lib.trace import Event, Trace

_MEBIBYTE = b"abcd" * 2**18
_MANY_CALLS = 2**14  # recv: os que cabem folgados no prazo de uma verificação
TOO_MUCH = (
    "O eco já tinha chegado inteiro, e você pediu mais: o servidor não fecha antes de você. "
    "Pare quando tiver tantos bytes quantos enviou, e junte os pedaços com +=."
)
WAITED = (
    "você esperou um prazo acabar, e ele não é o fim da mensagem: uma rede lenta a cortaria. "
    "Conte os bytes."
)
OWN_MESSAGE = (
    "Um servidor respondeu 'OLÁ' a 'olá', e você devolveu 'olá': devolva o que o recv trouxe, e "
    "não a mensagem que enviou."
)
# O que acontece a um raise de um nome errado, de um texto, ou sem nada; a um exit, e a um acaso.
_NOT_RAISED = re.compile(
    "parou com ((Name|UnboundLocal|Attribute|Type|Index|Key)Error|SystemExit|RuntimeError: No act)"
)
_SILENCE = 2.0  # segundos, no máximo, de um cliente calado
_OF_THE_LESSON = range(61840, 61850)  # a do tutorial, e as que next_free_port dá depois dela
_ASK = {"select", "selectors", "poll", "epoll"}  # o prazo deles não é do socket
_LOOPBACK = "esse é o loopback: na máquina do colega, ele leva à máquina do colega."
AGAIN = "A mesma mensagem voltou mais de uma vez: a cada sendall, um recv novo."
_NOT_WAITING = (
    "Um socket que não espera, com settimeout(0) ou setblocking(False), lança BlockingIOError "
    "quando nada chegou, e aí o seu código acabou: dê-lhe um prazo maior que 0."
)
_UNANSWERED = "Você recebeu, e voltou a esperar sem responder: a cada recv, um sendall."
_AFTER_SILENCE = b"e agora?"
_SILENCE_IS_NOT_THE_END = (
    "calar-se não é sair. Quando um prazo acaba, volte ao recv; só b'' é o fim."
)
CLOSED_LISTENER = (
    "O socket desse accept já está fechado: a escuta fica aberta até o fim; no laço, feche só conn."
)
ANOTHER_LISTENER = "Você abriu outra escuta: o cliente chamou a que a função recebe."
TO_CLOSE = " Só o socket ficou por fechar: criado num with, ele se fecha sozinho."
_SHUT_TOO_MUCH = "Esse shutdown encerra o receber: para só não enviar mais, socket.SHUT_WR."
_FIRST_SEND = "Nada chegou ao servidor. Você espera a resposta antes de enviar?"


def client(function: Callable[[str, int, str], str]) -> Check:
    """Verifica um cliente de eco do aluno.

    Argumentos:
        function: recebe host, porta e mensagem; devolve o texto do eco.
    """
    short, accents, long = MESSAGES
    cases = [(short, ()), (accents, ()), (accents, BYTE_BY_BYTE), (long, ())]
    with Learner(function) as learner:
        for message, pieces in cases:
            answer, error, address = with_echo(learner, message, pieces=pieces)
            _, reached = served(learner.trace)
            if answer == message and reached == message.encode():
                if gave_up(learner):
                    return failed(f"O texto está certo, mas {WAITED}", learner)
                if _receives_no_more(learner.own_events(), least=1):
                    return failed(f"Desta vez o eco chegou antes. {_SHUT_TOO_MUCH}", learner)
                if read_it_all(learner, address, message):
                    advice = left_open(learner, connect=TO_CLOSE)
                    continue
                text = (
                    f"Com {brief(message)}, você devolveu o texto certo sem receber o eco inteiro."
                )
                return failed(text, learner)
            hint = _client_hint(learner, address, message, reached, answer, error)
            came = "Seu código não terminou." if error == NEVER_ENDED else error
            # A explicação do erro, que não sabe do eco, diria outra coisa.
            came = unexplained(came) if hint else came
            came = came or f"Recebi {brief(answer)}."
            tried = f"Com {brief(message)}{', que volta um byte por vez' if pieces else ''}"
            return failed(f"{tried}, esperava o mesmo texto de volta. {came} {hint}", learner)
        if wrong := talks_to_another(learner, "olá"):
            return wrong
    return passed(
        "Seu cliente passou: texto curto, acentos, emoji, uma mensagem comprida e um eco "
        "que chegou um byte por vez." + advice
    )


def left_open(learner: Learner, **names: str) -> str:
    """Como chamar o socket que o aluno não fechou, pela chamada que ele recebeu; ou ""."""
    events = learner.own_events()
    closed = {event.socket for event in events if event.call == "close"}
    for call, what in names.items():
        if not {e.socket for e in events if e.call == call and not e.error} <= closed:
            return what
    return ""


def talks_to_another(learner: Learner, sent: str | list[str]) -> Check | None:
    """O que há de errado com o cliente diante de outros servidores, ou None.

    Um fecha no meio do eco de "olá", e outro responde "OLÁ", que em UTF-8 tem igual tamanho.
    """
    data = "olá".encode()
    answer, error = answered(learner, data, data[:1], sent)
    # Uma lista com o que veio não engana ninguém; de quem devolve o que enviou se diz adiante.
    honest: tuple[Any, ...] = (sent, ["o"], [""], [])
    if not error and answer not in honest:
        wrong = f"a sua função devolveu {brief(answer)}, como se fosse o eco: aí, lance um erro, "
        wrong += "como raise ConnectionError."
    elif error == NEVER_ENDED:
        wrong = "o seu laço continuou: no fim, o recv devolve b'' para sempre. Saia do laço quando "
        wrong += "vier b''."
    elif _NOT_RAISED.search(error):
        wrong = "o que veio não foi um erro de conexão, como o de raise ConnectionError(…). "
        wrong += unexplained(error) if "SystemExit" in error else error
    else:
        its_own = answered(learner, data, "OLÁ".encode(), sent)[0] == sent
        return failed(OWN_MESSAGE, learner) if its_own else None
    text = f"Um servidor fechou depois de devolver 1 byte dos 4 de 'olá', e {wrong}"
    return failed(text, learner)


def answered(
    learner: Learner, data: bytes, reply: bytes, *arguments: Any, times: int = 1
) -> tuple[Any, str]:
    """O valor e o erro do cliente de um servidor que, a cada `data`, responde `reply`; e fecha.

    Argumentos:
        arguments: o que a função do aluno recebe, depois de host e porta.
        times: quantas vezes ele responde.
    """
    learner.trace = Trace()
    with learner.trace, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(isolated.PATIENCE * isolated.TIMEOUT)
        learner.start(*listener.getsockname(), *arguments)
        with suppress(OSError), listener.accept()[0] as conn:
            for _ in range(times):
                peers.receive(conn, len(data))
                peers.send(conn, reply)
    return learner.result()  # fechada também a escuta: quem conecta de novo é recusado


def read_it_all(learner: Learner, address: Any, message: str) -> bool:
    """Se o código recebeu tantos bytes quantos enviou; com o rastro incompleto, não se sabe.

    No Windows, o asyncio fala com o sistema por outro caminho, e o rastro só vê sockets dele.
    """
    went = [event.argument for event in learner.tries()]
    whole = any(isinstance(place, tuple) and place[1:2] == address[1:] for place in went)
    _, came = learner.totals()
    return not whole or came >= len(message.encode())


def gave_up(learner: Learner) -> bool:
    """Se o código esperou, até um prazo acabar, o que não vinha."""
    own = learner.own_events()
    for i, event in enumerate(own):
        if event.receives and isinstance(event.error, TimeoutError):
            after = next((e for e in own[i + 1 :] if e.socket == event.socket), None)
            if after is None or not after.receives:  # quem volta ao recv não desistiu
                return True
    return False


def _client_hint(
    learner: Learner, address: Any, message: str, reached: bytes, answer: Any, error: str
) -> str:
    """A pista do engano de um cliente, pelas chamadas que ele fez e pelo que chegou ao servidor."""
    sent, own = message.encode(), learner.own_events()
    went = [event.argument for event in learner.tries()]
    gone, came = learner.totals()
    if calls := [event.call for event in own if event.call in ("bind", "listen", "accept")]:
        return f"Quem usa {calls[0]} é o servidor; o cliente usa connect."
    if went and isinstance(went[0], tuple) and address not in went:
        return f"Você conectou em {went[0]}; este servidor está em {address}: use host e porta."
    if gone < len(sent) and learner.sent_a_part():
        return LOST_BY_SEND
    part = gone < len(sent) and (not error or waits(error))
    again = sent * (len(reached) // len(sent) + 1)  # ela, e talvez outra vez, sem o fim
    if reached and (part or not again.startswith(reached)):
        what = f"{brief(reached)}, e não {brief(sent)}"
        return f"Ao servidor chegou {what}: envie mensagem.encode(), sem mudar nada."
    if error == NEVER_ENDED and gone > len(sent):
        return "Você enviou de novo: o laço não acaba; falta um break ou um return?"
    if waits(error) and gone == len(sent) and came >= len(sent):
        return TOO_MUCH
    if not gone and learner.used("recv") and waits(error):
        return _FIRST_SEND
    ended = any(event.receives and not event.size and not event.error for event in own)
    if "parou com ConnectionError" in error and "em `raise" in error and came and not ended:
        return "O servidor não fechou: um recv traz o que já chegou, e o fim é só b''."
    if _receives_no_more(own):
        return _SHUT_TOO_MUCH
    if error and error != NEVER_ENDED:
        return ""  # a explicação do erro já diz a causa
    if not went and not gone:
        return "Nada chegou ao servidor: faltou conectar e enviar?"
    if not gone:
        return _FIRST_SEND if error else "Nada chegou ao servidor. Faltou o sendall?"
    if answer is None and not error:
        return "Faltou o return?"
    if callable(answer):
        return "Isso é a própria função: faltaram os parênteses, como em dados.decode()?"
    if hint := not_decoded(answer):
        return hint
    if isinstance(answer, str) and "\ufffd" in answer:
        return "Cada � é um caractere cortado: junte todos os bytes, e só então decode."
    if gone >= 2 * len(sent):
        return "Você enviou mais de uma vez: o sendall está dentro do laço?"
    if came == len(message) < len(sent):
        return "Você parou no número de letras: conte bytes, que são mais quando há acentos."
    if answer == "" and not any(event.receives for event in own):
        return "Nenhum recv foi chamado: o laço nem começou? Veja a condição dele."
    if isinstance(answer, str) and answer and message.startswith(answer):
        if came >= len(sent):
            return "Os bytes vieram todos; algo os tirou depois: um strip, ou uma fatia?"
        return "Veio só o começo: um recv pode não trazer tudo."
    return ""


def _receives_no_more(own: Sequence[Event], least: int = 0) -> bool:
    """Se o código ainda recebe, ao menos tantos bytes, depois de um shutdown que encerra isso."""
    ends, ended = (socket.SHUT_RD, socket.SHUT_RDWR), set()
    for event in own:
        if event.call == "shutdown" and event.argument in ends:
            ended.add(event.socket)
        elif event.receives and event.size >= least and event.socket in ended:
            return True
    return False


def waits(error: str) -> bool:
    """Se o código ficou à espera do que não vem, com prazo ou sem."""
    return error == NEVER_ENDED or "TimeoutError" in unexplained(error)


def with_echo(
    learner: Learner, *arguments: Any, pieces: Sequence[int] = ()
) -> tuple[Any, str, Address]:
    """O valor e o erro do cliente de um servidor de eco de verdade, e o endereço deste."""
    # Sem prazo: um servidor que desistisse junto com a verificação soltaria o recv do aluno.
    learner.trace = Trace()
    with learner.trace:  # só o deste servidor: o kernel pode ter outro, que não é da verificação
        server = EchoServer(port=0).start()
    with server:
        learner.start(*server.address, *arguments, pieces=pieces)
        outcome = learner.result()
        _until_it_knows(server, learner)
        return *outcome, server.address


def _until_it_knows(server: EchoServer, learner: Learner) -> None:
    """Espera o servidor saber de tudo o que o código fez: ele pode acabar sem esperar o eco."""
    there = [event for event in learner.own_events() if event.peer == server.address]
    went = len({e.socket for e in there if e.call.startswith("connect") and not e.error})
    gone = sum(event.size for event in there if event.sends)
    deadline = monotonic() + isolated.TIMEOUT
    while went and monotonic() < deadline:
        accepted, arrived = served(learner.trace)
        if accepted >= went and (len(arrived) >= gone or not server.clients):
            break
        sleep(0.01)


def served(trace: Trace) -> tuple[int, bytes]:
    """Quantas conexões o servidor aceitou, e os bytes que lhe chegaram."""
    events = [event for event in trace.events() if event.role == "server"]
    arrived = b"".join(event.data for event in events if event.call == "recv")
    return sum(event.call == "accept" for event in events), arrived


def server(
    function: Callable[[socket.socket], Any],
    answer: Callable[[bytes], bytes] = bytes,
    patient: bool = True,
) -> Check:
    """Verifica a parte do servidor que atende um cliente.

    Argumentos:
        function: recebe `conn`, já conectado; deve responder até o cliente fechar, e voltar.
        answer: o que se espera de volta dos bytes enviados (padrão: os mesmos).
        patient: se deve esperar por quem se cala, sem tomar o fim de um prazo pelo da conversa.
    """
    return and_the_hidden(_echoes(function, answer, patient), function)


def _echoes(
    function: Callable[[socket.socket], Any], answer: Callable[[bytes], bytes], patient: bool
) -> Check:
    talk = [message.encode() for message in (*MESSAGES, "sair", "Tchau")]
    cases = [(talk, ()), ([talk[1]], BYTE_BY_BYTE), ([_MEBIBYTE], ())]

    attend = hurried(function, _SILENCE if patient else math.inf)

    def serve(conn: socket.socket) -> float:
        value, deadline = attend(conn)
        if isinstance(value, Generator):
            raise TypeError("com yield, a função nem começa: responda com conn.sendall")
        if isinstance(value, Coroutine):
            raise TypeError("com async def, a função nem começa: use def")
        return deadline

    with Learner(serve) as learner:
        for messages, pieces in cases:
            if messages == [_MEBIBYTE]:  # quem pede poucos bytes por vez é lento, e não errado
                messages = [_MEBIBYTE[: _MANY_CALLS * _most_asked(learner)]]
            peer = learner.connect(pieces=pieces)
            for i, data in enumerate(messages):
                expected = answer(data)
                received = peers.exchange(peer, data, len(expected))
                if received != expected:
                    return wrong_answer(learner, peer, data, expected, received, first=not i)
            peers.end(peer)
            deadline, error = learner.result()
            if error == NEVER_ENDED:
                error = "O cliente fechou e o seu laço continua: recv devolve b'' para sempre."
            elif "parou com ConnectionError" in error:
                error = f"{unexplained(error)}\nQuando recv devolve b'', o cliente saiu: só volte."
            if error:
                return failed(error, learner)
            if extra := peers.receive(peer, 1):
                return failed(f"Depois das respostas, veio mais: {extra!r}…", learner)
        asks = any(_ASK & names(each) for each in with_the_called(function))
        silent = patient and (deadline or asks)
        if silent and (wrong := _impatient(learner, deadline, answer(_AFTER_SILENCE))):
            return wrong
    return passed(
        "Seu servidor passou: mensagens curtas, uma comprida, byte a byte, uma enorme, e o fim."
    )


def hurried(function: Callable[..., Any], silence: float) -> Callable[..., tuple[Any, float]]:
    """A função do aluno, em que acaba mais cedo o prazo de quem espera mais do que nos calamos.

    Argumentos:
        silence: os segundos que o cliente se cala.

    Retorna:
        uma função, que devolve o que a do aluno devolve e o maior prazo que ela deu a uma
        conversa, já encurtado, em segundos; 0, se não deu nenhum.
    """

    def hurry(*given: Any) -> tuple[Any, float]:
        kind: Any = socket.socket
        settimeout, accept, longest = kind.settimeout, kind.accept, 0.0

        def of_a_talk(sock: Any, *seconds: Any, **named: Any) -> None:
            nonlocal longest
            with suppress(OSError):  # o de quem escuta não se encurta
                sock.getpeername()
                if seconds and isinstance(seconds[0], int | float):
                    seconds = (silence / 3 if seconds[0] > silence else seconds[0], *seconds[1:])
                    longest = max(longest, seconds[0])
            settimeout(sock, *seconds, **named)

        def accepted(sock: Any) -> Any:
            conn, address = accept(sock)
            of_a_talk(conn, conn.gettimeout())  # o de setdefaulttimeout
            return conn, address

        kind.settimeout, kind.accept = of_a_talk, accepted
        try:
            return function(*given), longest
        finally:
            kind.settimeout, kind.accept = settimeout, accept

    return hurry


def _impatient(learner: Learner, deadline: float, expected: bytes) -> Check | None:
    """O que dizer de quem, no prazo (0: não se sabe), desiste de um cliente calado; ou None."""
    peer = learner.connect()
    pause, silence = min(1.2 * deadline or _SILENCE, _SILENCE), 0.0
    for _ in range(isolated.PATIENCE):
        sleep(pause)  # o prazo conta desde o recv do aluno, que começa quando pode
        silence += pause
        learner.look(wait=0.001)
        if learner.expired() or not deadline or pause < deadline or not learner.running():
            break
    if peers.exchange(peer, _AFTER_SILENCE) == expected:
        peers.end(peer)
        return None
    return took_silence_for_the_end(learner, silence)


def took_silence_for_the_end(learner: Learner, silence: float) -> Check:
    """O que dizer de quem desistiu de um cliente calado por `silence` segundos."""
    learner.result(0.5)
    learner.where = ""
    text = f"O cliente ficou {in_seconds(silence)} calado, falou, e não teve resposta: "
    return failed(text + _SILENCE_IS_NOT_THE_END, learner)


def _most_asked(learner: Learner) -> int:
    """O maior número de bytes que o código pediu a um recv."""
    given = [event.argument for event in learner.own_events() if event.receives]
    asked = [argument[0] if isinstance(argument, tuple) else argument for argument in given]
    return max((size for size in asked if isinstance(size, int)), default=len(_MEBIBYTE))


def wrong_answer(
    learner: Learner,
    peer: socket.socket,
    sent: bytes,
    expected: bytes,
    received: bytes,
    first: bool,
) -> Check:
    """Diz o que veio no lugar do esperado, e uma pista do porquê."""
    learner.look()
    more = b"" if expected.startswith(received) else peers.at_hand(peer)
    text = f"Enviei {brief(sent)}, esperava {brief(expected)} e recebi {brief(received + more)}."
    if learner.spins():
        return failed(f"{text} {SPINS}", learner)
    hint = _server_hint(learner, sent, expected, received, first)
    peers.end(peer)
    if not received and first and peers.receive(peer, 1):
        hint = "A resposta só veio quando o cliente parou de enviar: responda a cada recv."
    error = learner.result(0.5)[1]  # o código pode estar acabando de falhar
    if received:
        learner.where = ""  # espera mais, como devia: o engano é outro
    if error and error != NEVER_ENDED:
        hint, said = error, unexplained(error)
        if "UnicodeDecodeError" in error:
            hint = f"{said} Um eco não precisa de texto: tire o decode."
        elif "EINVAL" in error and learner.used("accept") and not learner.used("listen"):
            hint = f"{said} `conn` já foi aceito: aqui não há accept."
        elif _sends_by_the_listener(learner):
            hint = (
                f"{said} A escuta só aceita quem chega: a conversa é por conn, que veio do accept."
            )
    return failed(f"{text} {hint}", learner)


def _server_hint(
    learner: Learner, sent: bytes, expected: bytes, received: bytes, first: bool
) -> str:
    """A pista do engano de um servidor, pelas chamadas que ele fez."""
    own = learner.own_events()
    moved = [event for event in own if event.sends or event.receives]
    last = max((i for i, event in enumerate(moved, 1) if event.sends), default=0)
    lost = sum(event.size * (1 if event.sends else -1) for event in moved[:last]) < 0
    if received and lost and learner.sent_a_part():
        return LOST_BY_SEND
    if received and lost and {*received} <= {*expected}:
        return "Você devolveu menos do que recebeu: a resposta leva todos os bytes."
    if received and expected.startswith(received):
        if not learner.running():
            return "O seu código acabou antes do cliente: o laço vai até o recv devolver b''."
        return "Veio só uma parte: o seu código ainda devolvia o resto quando o tempo acabou."
    if received and _again(moved):
        return AGAIN
    replies = [event.data for event in moved if event.sends]
    if received and any(a and b.startswith(a) and a != b for a, b in pairwise(replies)):
        return "O que já tinha voltado voltou de novo: dados = conn.recv(1024), sem +=."
    shouts = sent != expected == sent.upper()
    if shouts and received == sent:
        return (
            "O que chegou voltou como veio. O `upper` não muda `dados`, faz outros bytes: envie só "
            "esses."
        )
    if shouts and received == sent.decode(errors="replace").upper().encode():
        return "Use o `upper` dos bytes, sem `decode`: `á` deve continuar `á`."
    if shouts and received == sent.swapcase():
        return "O que já era maiúsculo ficou minúsculo: `upper` só aumenta."
    if received:
        return "Não são os bytes esperados: a resposta é feita dos que chegaram."
    gone, came = learner.totals()
    if _does_not_wait(own) and not learner.running():
        return _NOT_WAITING
    if gave_up(learner) and came <= gone:  # numa máquina ocupada, quem verifica demorou a falar
        return "O seu prazo acabou antes de o cliente falar, e " + _SILENCE_IS_NOT_THE_END
    if sent == b"sair":
        return "As outras voltaram: “sair” é um comando do cliente; para o servidor, são bytes."
    if sent == b"Tchau":
        return "As outras voltaram: “Tchau” é uma palavra como elas; para o servidor, são bytes."
    if not first:
        text = "A primeira mensagem voltou, esta não: falta um laço (while) que volte ao recv?"
        if not learner.running():
            text += " Se há um, um return ou um break o encerra antes do fim."
        return f"{text} O accept fica fora dele." if learner.used("accept") else text
    if not any(event.receives and event.size for event in own):
        if learner.used("accept") and learner.used("connect"):
            return "O seu servidor conectou a si mesmo: tire o connect, que é do cliente."
        if len({event.socket for event in own if event.call == "listen"}) > 1:
            return ANOTHER_LISTENER
        if learner.used("accept") and learner.running():
            return "Nada voltou: chame accept uma vez só; depois, recv e sendall em conn."
        return "Nada voltou: você chamou recv e depois sendall?"
    if learner.running():
        return _UNANSWERED
    return "Você recebeu, e nada voltou: faltou o sendall? Ou o código não chega a ele?"


def _does_not_wait(own: Sequence[Event]) -> bool:
    """Se a última coisa que o código soube foi que o socket dele não espera, e só então o soube."""
    moved = [event for event in own if event.sends or event.receives]
    told = [event for event in moved if isinstance(event.error, BlockingIOError)]
    return len(told) == 1 and told[0].receives and told[0] is moved[-1]


def _sends_by_the_listener(learner: Learner) -> bool:
    own = learner.own_events()
    listening = {event.socket for event in own if event.call in ("listen", "accept")}
    return any(event.sends and event.socket in listening for event in own)


def _again(own: Sequence[Event]) -> bool:
    """Se os mesmos bytes foram enviados duas vezes, sem nada receber entre uma e outra."""
    moved = [event for event in own if event.sends or event.receives]
    return any(a.sends and b.sends and a.data == b.data for a, b in pairwise(moved))


def gives_up(function: Callable[[socket.socket], Any], seconds: float) -> Check:
    """Verifica se o servidor do aluno ecoa e desiste de um cliente calado, sem erro.

    Argumentos:
        function: recebe `conn`, já conectado.
        seconds: depois de quantos segundos de silêncio deve voltar.
    """

    def serve(conn: socket.socket) -> float | None:
        function(conn)
        return conn.gettimeout()

    with Learner(serve) as learner:
        peer = learner.connect()
        if peers.exchange(peer, b"oi") != b"oi":  # quem já falou também se cala
            if not waited_for_us(learner, seconds):
                if learner.expired():
                    return failed(_early(learner, seconds), learner)
                if learner.spins():
                    return failed(f"Enviei b'oi', e nada voltou. {SPINS}", learner)
                return _without_silence(function, seconds)
            learner.result()
            peer = learner.connect()
            if peers.exchange(peer, b"oi") != b"oi":
                return _without_silence(function, seconds)
        if _again(learner.look(wait=0.001)):
            return failed(AGAIN, learner)
        late, extra = False, b""
        for _ in range(2):
            sleep(0.6 * seconds)
            start = monotonic()  # antes da conversa: o atraso que for nosso só alonga a espera
            if (came := peers.exchange(peer, b"oi")) != b"oi":
                extra += came
                if not waited_for_us(learner, seconds):
                    fell = "" if learner.running() else learner.result()[1]
                    return failed(fell or _early(learner, seconds), learner)
                # Desistiu por nossa causa, e já voltou, sem dever nada.
                late = not learner.running() and _owed_at_the_deadline(learner) == 0
        deadline, error = learner.result(2 * seconds + 1)
        if error == NEVER_ENDED:
            error = "O cliente ficou calado e você continuou esperando. Confira o settimeout: em "
            error += "segundos, no próprio conn, e antes do laço."
            if learner.expired():
                error = (
                    "O cliente ficou calado. O prazo acabou, e você voltou ao recv: saia do laço."
                )
        elif "TimeoutError" in unexplained(error):
            error = (
                unexplained(error)
                + "\nO prazo acabou, como devia: falta capturar o TimeoutError e voltar."
            )
        elif not (error or late) and monotonic() - start < seconds / 2:
            error = _early(learner, seconds)
        elif not error and (deadline or 0) > 1.5 * seconds:
            error = f"O seu prazo é de {in_seconds(deadline)}; o pedido, {in_seconds(seconds)}."
        if not error and (extra := extra + peers.receive(peer, 32)):
            error = (
                f"Quem se calou recebeu {brief(extra)}, que não tinha enviado: responda só com o "
                "eco; no fim do prazo, apenas volte."
            )
        if error:
            return failed(error, learner)
        learner.connect()
        if learner.result(2 * seconds + 1)[1] == NEVER_ENDED:
            text = "Um cliente que nunca falou: você continuou esperando. O prazo já vale no "
            return failed(f"{text}primeiro recv?", learner)
    return _without_silence(function, seconds)


def waited_for_us(learner: Learner, seconds: float) -> bool:
    """Se esperou o prazo inteiro, medido no processo do aluno: então o atraso foi nosso."""
    return _a_whole_silence(learner.look(), seconds)


def _owed_at_the_deadline(learner: Learner) -> int:
    """Quantos bytes recebidos o código ainda não tinha devolvido quando um prazo dele acabou."""
    own = takewhile(lambda event: not isinstance(event.error, TimeoutError), learner.own_events())
    return sum(event.size * (event.receives - event.sends) for event in own)


def _a_whole_silence(events: Sequence[Any], seconds: float) -> bool:
    silences = [e.duration for e in events if isinstance(e.error, TimeoutError)]
    return max(silences, default=0.0) >= 0.9 * seconds


def _early(learner: Learner, seconds: float) -> str:
    """Por que o servidor do aluno voltou antes do silêncio que devia esperar."""
    own = learner.own_events()
    gone, came = learner.totals()
    sizes = [event.size for event in own if event.receives]
    late = [i for i, event in enumerate(own) if isinstance(event.error, TimeoutError)]
    sent = [i for i, event in enumerate(own) if event.sends]
    if _does_not_wait(own):
        return _NOT_WAITING
    if late and sent and late[0] < sent[0]:
        return "Você só respondeu quando o prazo acabou: a cada recv, um sendall."
    if came > gone > 0:
        return _UNANSWERED
    if sum(map(bool, sizes)) > 1:
        return "Você desistiu de quem ainda falava: o prazo recomeça a cada recv."
    if len(sizes) == 1 and sent:
        return "Você respondeu uma vez e voltou: falta o laço que volta ao recv?"
    return f"Você desistiu cedo demais: o cliente pode calar-se por {in_seconds(seconds)}."


def _without_silence(function: Callable[[socket.socket], Any], seconds: float) -> Check:
    """A parte de quem desiste que não é desistir: ecoar a quem fala."""
    echoing = server(function, patient=False)
    if not echoing.ok and _a_whole_silence(echoing.events, seconds):  # o atraso foi nosso: de novo
        echoing = server(function, patient=False)
    return passed("Seu servidor ecoa, e desiste de quem se cala.") if echoing.ok else echoing


def counts_bytes(function: Callable[[str], int]) -> Check:
    """Verifica uma função que diz quantos bytes uma mensagem ocupa na rede, em UTF-8.

    Argumentos:
        function: recebe a mensagem; devolve o número de bytes.
    """

    def hint(answer: int, text: str) -> str:
        if answer == len(text):
            return "Você contou letras, não bytes."
        return "Conte o que mensagem.encode() devolve: os bytes, em UTF-8."

    wrong = compare(function, {("sol",): 3, ("🗣️",): 7, ("ção",): 5, ("",): 0}, hint=hint)
    if wrong is None:
        return passed("Certo: conta os bytes, que é o que viaja.")
    said, *rest = wrong.text.split("\n", 1)  # o resto pode ser o que o código imprimiu
    if "recebi b" in said:
        said += " Esses são os bytes: quantos são?"
    return replace(wrong, text="\n".join([said, *rest]))


def address(host: object) -> Check:
    """Verifica se `host` é o endereço que um colega da rede local deve usar.

    Argumentos:
        host: a resposta do aluno, seja o que for.
    """
    if host is ...:
        return failed(STUB)
    right = network.lan_address()
    if host == right:
        return passed(f"É esse: {right}." if right else "Isso: sem rede, não há endereço.")
    if host is None:
        return failed(
            "Veio None, a resposta de quem está sem rede, e o que print devolve: há um endereço."
        )
    if isinstance(host, tuple) and any(type(item) is int for item in host):
        return failed(f"Veio o par {host}: o colega já sabe a porta; dê só o endereço.")
    places = re.findall(r"[\d.]+", host) if isinstance(host, str) else host
    if right and isinstance(host, bytes) and host == right.encode():
        return failed("É esse, mas em bytes: dê o texto, sem b nem encode.")
    if right and isinstance(places, list | tuple | set) and right in places:
        return failed(f"O endereço está aí, mas não sozinho. Recebi {host!r}: dê só {right!r}.")
    if isinstance(host, str) and "(" in host:
        return failed(f"Entre aspas, {host!r} é só um texto: tire as aspas, para chamar a função.")
    if callable(host):
        return failed("Essa é a função. Faltaram os parênteses, para chamá-la.")
    if isinstance(host, network.Interface):
        if host.address == right:
            return failed("Quase: esse é o adaptador inteiro; pegue só o .address.")
        return failed(
            f"Esse é o adaptador inteiro, e de outro endereço, {host.address}: que função diz o "
            "que a rede local vê?"
        )
    if str(host) == right:
        return failed(f"É esse, mas dê o texto, {right!r}, e não um {type(host).__name__}.")
    hints = {
        "127.0.0.1": _LOOPBACK,
        "localhost": _LOOPBACK,
        "0.0.0.0": "esse serve para escutar, e não como destino.",
        "192.168.0.12": "esse é o do tutorial, e não o seu.",
    }
    hint = hints.get(str(host), "que função diz o endereço que a rede local vê?")
    return failed(f"Recebi {brief(host)}: {hint}")


def listening(port: object, sock: object) -> Check:
    """Verifica se há um servidor escutando nesta porta, nesta máquina, com este socket.

    Argumentos:
        port, sock: as respostas do aluno, sejam o que forem.
    """
    if port is ...:
        return failed(STUB)
    if isinstance(port, tuple):
        return failed(f"Veio o par {port}: a porta é o segundo, [1].")
    if port == 0 and isinstance(sock, socket.socket) and not _name_of(sock)[1]:
        return failed("O seu socket ainda não tem porta: chame bind e listen, e depois pergunte.")
    if callable(port):
        return failed("Essa é a função. Faltaram os parênteses, para chamá-la.")
    if isinstance(port, str) and "." in port:
        return failed(f"{port!r} é o host, o [0] do par: a porta é o segundo, [1].")
    if port == 0:
        return failed("O 0 só pede uma porta; getsockname(), depois do bind, conta a que veio.")
    if not isinstance(port, int) or isinstance(port, bool):
        return failed(f"Esperava uma porta, um número inteiro e sem aspas; recebi {port!r}.")
    if port in _OF_THE_LESSON:
        text = f"A porta {port} é das que a lição usa: peça outra ao sistema, com a porta 0. "
        return failed(f"{text}(Se foi ele que a deu, execute a sua célula de novo: virá outra.)")
    if not isinstance(sock, socket.socket):
        return failed(f"Guarde o seu socket em meu_socket; nele está {sock!r}.")
    if sock.fileno() < 0:
        return failed("O seu socket já está fechado: deixe-o aberto, sem close e fora de um with.")
    if sock.type != socket.SOCK_STREAM:
        return failed("O seu socket é UDP (SOCK_DGRAM), que não escuta: crie-o com SOCK_STREAM.")
    host, real = _name_of(sock)
    if real and host != "127.0.0.1":
        why = " Faltou o bind, ou é esse o host dele?" if host == "0.0.0.0" else ""
        return failed(f"O exercício pede 127.0.0.1, e o seu socket está em {host}.{why}")
    if real not in (0, port):
        text = f"O seu socket está na porta {real}, e em minha_porta está {port}"
        return failed(f"{text}: quem diz a porta é meu_socket.getsockname()[1].")
    rows = network.ports(port) if real else []
    if any(row.state == "LISTEN" and row.local[1] == port for row in rows):
        return passed(f"Há um socket escutando na porta {port}.")
    return failed(f"O seu socket não escuta na porta {port}. Você chamou bind e listen?")


def _name_of(sock: socket.socket) -> tuple[str, int]:
    """O endereço a que o socket está preso, ou a porta 0; no Windows, sem bind não há nem nome."""
    try:
        host, port, *_ = sock.getsockname()
        return str(host), int(port)
    except (OSError, ValueError):
        return "", 0
