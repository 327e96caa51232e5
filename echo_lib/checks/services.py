"""As verificações das lições 02 a 05 em que se escuta, se atende ou se envia mais de uma vez."""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from functools import partial
from itertools import accumulate
from random import randrange
from time import monotonic, sleep
from typing import Any

from echo_lib import isolated, network
from echo_lib.checks import peers
from echo_lib.checks.base import (
    BYTE_BY_BYTE,
    LOST_BY_SEND,
    MESSAGES,
    STUB,
    Check,
    and_the_hidden,
    brief,
    failed,
    in_a_free_port,
    in_seconds,
    not_decoded,
    passed,
    unexplained,
)
from echo_lib.checks.tutorial import (
    ANOTHER_LISTENER,
    CLOSED_LISTENER,
    OWN_MESSAGE,
    TO_CLOSE,
    TOO_MUCH,
    WAITED,
    answered,
    gave_up,
    hurried,
    left_open,
    read_it_all,
    served,
    talks_to_another,
    took_silence_for_the_end,
    waits,
    with_echo,
    wrong_answer,
)
from echo_lib.errors import Address
from echo_lib.isolated import NEVER_ENDED, Learner

_HOST = "127.0.0.1"
_LULL = 0.7  # segundos sem ninguém chegar: passa do prazo que a lição põe no accept
_SILENCE = 1.3  # segundos de um cliente calado: passa do prazo do exercício 1
_TALK = "a conversa, conn"
_NO_ECHO = "não recebeu o eco."
_NO_ACCEPT = "A função escutou e voltou sem esperar o cliente: faltou o accept?"
_TRY = "Tente prender um socket a ela: se a porta tem dono, o bind lança OSError."
_ANSWER = "É esse erro que responde: capture-o (except OSError) e, nesse caso, devolva False."
_LIST = "Devolva uma lista com os textos."
_TWINS = ["oi", "tchau", "oi"]
_EACH_ITS_OWN = (
    "Cada texto tem o seu eco, também o que se repete: append põe cada um no fim da lista, na "
    "ordem. (Um dicionário guarda um só; index acha sempre o primeiro.)"
)
_GLUED = (
    "Você enviou `b` antes de receber o eco de `a`: os dois ecos podem vir juntos num recv só. "
    "Receba um, e só então envie a outra."
)
_INSISTS = (
    "Depois do ConnectionError, você voltou a usar a mesma conexão. Ela acabou, e o erro pode vir "
    "sempre de novo: ponha o laço inteiro dentro do try."
)
_UNSEEN = "Ninguém escuta nela, e mesmo assim ela tem dono: só o bind decide."


def port_is_free(function: Callable[[int], bool]) -> Check:
    """Verifica uma função que diz se dá para prender um socket a uma porta.

    Argumentos:
        function: recebe a porta; devolve True ou False, e não a deixa presa.
    """
    with (
        Learner(function) as learner,
        socket.create_server((_HOST, 0)) as listener,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound,
    ):
        # A presa fica acima da livre: quem olha só o número não acerta as duas.
        _bind_above(bound)
        free = network.spare_port()
        for port, expected, what, hint in (
            (listener.getsockname()[1], False, "uma porta em que outro escuta", _TRY),
            (bound.getsockname()[1], False, "uma porta presa por um bind, sem listen", _UNSEEN),
            (free, True, "uma porta livre", "Ali, um bind daria certo."),
        ):
            answer, error = learner.call(port)
            if error:
                if "EADDRINUSE" in error:
                    error = unexplained(error) + f" {_ANSWER}"
                return failed(f"Com {what}. {error}", learner)
            if answer is ... or answer is None:
                nothing = f"Com {what}, recebi None: faltou o return? (bind também devolve None.)"
                return failed(STUB if answer is ... else nothing, learner)
            if answer is not expected:
                if not isinstance(answer, bool):
                    hint = "A resposta é True ou False, sem aspas: nem texto, nem número."
                elif not expected and learner.used("bind"):
                    hint = _in_spite_of_bind(learner, port)
                elif expected:
                    hint = _without_a_bind(learner, port) or hint
                text = f"Com {what}, esperava {expected} e recebi {brief(answer)}. {hint}"
                return failed(text, learner)
        places = [e.local for e in learner.own_events() if e.call == "bind" and e.local]
        if network.next_free_port(_HOST, free) != free:
            text = "Você respondeu True, e a porta ficou presa: feche o socket antes de responder."
        elif elsewhere := {place[0] for place in places} - {_HOST}:
            text = f"A pergunta é sobre {_HOST}, e você prendeu o socket em {elsewhere.pop()!r}."
        elif open_one := left_open(learner, bind="o socket"):
            text = f"As respostas estão certas, mas faltou fechar {open_one}: use with, ou close(),"
            text += " com os parênteses e antes do return."
        else:
            return passed("Certo: presa, com ou sem listen, não; livre, sim, e livre ficou.")
        return failed(text, learner)


def _bind_above(sock: socket.socket) -> None:
    """Prende o socket a uma porta acima das que spare_port() dá."""
    for port in range(randrange(65_001, 65_400), 65_536):
        with suppress(OSError):
            return sock.bind((_HOST, port))


def _in_spite_of_bind(learner: Learner, port: int) -> str:
    """Por que quem fez o bind respondeu True de uma porta que tem dono."""
    places = [e.argument for e in learner.own_events() if e.call == "bind" and e.error is None]
    if places:
        return f"Você prendeu o socket em {places[0]}, e a pergunta é sobre {(_HOST, port)}."
    return (
        "O bind lançou OSError, como devia: nesse caso, devolva False. (Um return no finally vale "
        "mais do que os outros.)"
    )


def _without_a_bind(learner: Learner, port: int) -> str:
    """Por que quem respondeu False de uma porta livre não fez nela o bind; ou ""."""
    asked = [e.argument for e in learner.own_events() if e.call == "bind"]
    if any(place != (_HOST, port) for place in asked):
        return f"Seu bind foi em {asked[0]}, e a pergunta é sobre {(_HOST, port)}."
    if not asked:
        return (
            "Nenhum bind foi feito: um except sem nome esconde qualquer erro; use except OSError."
        )
    return ""


def one_visit(function: Callable[[socket.socket], Any]) -> Check:
    """Verifica uma função que atende um cliente e deixa a escuta aberta para o próximo.

    Argumentos:
        function: recebe o socket de escuta; volta quando o cliente fecha.
    """

    def twice(listener: socket.socket) -> str:
        function(listener)
        if listener.fileno() < 0:
            return "fechada"
        function(listener)
        return ""

    with Learner(twice) as learner:
        address = learner.listen()
        if wrong := _visit(learner, address, MESSAGES):
            return wrong
        second = _quick_visit(learner, address, MESSAGES[:1])
        state, error = learner.result()
        if state == "fechada":
            text = "O primeiro foi atendido; para o segundo, a escuta já estava fechada. "
            return failed(text + "Qual socket recebe quem chega, e qual é só da conversa?", learner)
        if error == NEVER_ENDED:
            error = "O cliente fechou, e a função não voltou: ela atende um, até vir b''."
        if error:
            return failed(error, learner)
        if not second and (open_one := left_open(learner, recv=_TALK)):
            return failed(f"Os dois foram atendidos, mas {_unclosed(learner, open_one)}", learner)
    if second:
        return failed(f"O segundo cliente {second}", learner)
    return passed("Certo: fechou a conversa, e a escuta ficou para o próximo.")


def whole_server(function: Callable[[str, int], Any]) -> Check:
    """Verifica um servidor inteiro, do socket ao close, que atende um cliente.

    Argumentos:
        function: recebe host e porta; volta depois que o cliente fecha.
    """
    check = in_a_free_port(lambda: _whole_server(function))
    return and_the_hidden(check, function)


def _whole_server(function: Callable[[str, int], Any]) -> Check:
    port = network.spare_port()
    attend = hurried(function, _SILENCE)

    def serve(host: str, port: int) -> Any:
        value, _ = attend(host, port)  # só importa o que diz que ela nem começou
        return value if isinstance(value, Generator | Coroutine) else None

    with Learner(serve) as learner:
        learner.start(_HOST, port)
        if problem := _not_listening(learner, port):
            return failed(problem, learner)
        if wrong := _visit(learner, (_HOST, port), (*MESSAGES, "sair"), silence=_SILENCE):
            never = _only_listened(learner) and "Seu código parou" not in wrong.text
            return failed(_NO_ACCEPT, learner) if never else wrong
        _, error = learner.result()
        if error == NEVER_ENDED:
            ends = [e for e in learner.own_events() if e.receives and not e.size]
            why = "recv devolve b'' no fim." if len(ends) != 1 else "ela atende um cliente só."
            error = f"O cliente fechou, e a função não voltou: {why}"
        if error:
            return failed(error, learner)
        if open_ones := left_open(learner, recv=_TALK, listen="a escuta, s"):
            return failed(f"O cliente foi atendido, mas {_unclosed(learner, open_ones)}", learner)
    return passed("Seu servidor passou: escuta onde se pede, atende até o fim, e nada fica aberto.")


def _unclosed(learner: Learner, what: str) -> str:
    if what == _TALK and len({event.thread for event in learner.own_events()}) > 1:
        return f"faltou fechar {what}; se é uma thread que a fecha, espere por ela, com join."
    return f"faltou fechar {what}."


def _not_listening(learner: Learner, port: int) -> str:
    """Espera que alguém escute na porta; devolve o que o impediu, ou ""."""
    deadline = monotonic() + isolated.TIMEOUT
    while monotonic() < deadline:
        # Pelo rastro, e não pela tabela do sistema: lê-la pode demorar mais que o prazo do accept.
        for event in learner.look(0.05):
            place = event.local if event.call == "listen" and not event.error else None
            if place and place[1] == port:
                host = place[0]
                return "" if host == _HOST else f"Pedi o host {_HOST}, e você escuta em {host}."
        if not learner.running():
            break
    rows = [row for row in network.ports(port) if row.state == "LISTEN"]
    if any(row.local == (_HOST, port) for row in rows):  # o rastro, cheio, já não tem o listen
        return ""
    _, error = learner.result(0.1)
    if learner.used("connect"):
        return "Quem usa connect é o cliente; o servidor prende o socket ao endereço com bind."
    for event in learner.own_events():
        match event.argument:
            case (str(), int(other)) if event.call == "bind" and other != port:
                did = error if event.error else f"Você prendeu o socket em {event.argument}."
                return f"{did}\nA função recebe host e porta: use-os."
    if error == NEVER_ENDED:
        return f"Ninguém escuta na porta {port}, a que você recebeu: bind nela, e listen?"
    if _only_listened(learner):
        return error or _NO_ACCEPT
    return error or "A função voltou sem escutar: depois do socket, bind, listen e accept."


def _only_listened(learner: Learner) -> bool:
    return learner.used("listen") and not learner.used("accept")


def one_conversation(function: Callable[[str, int, str, str], list[str]]) -> Check:
    """Verifica um cliente que envia duas mensagens numa só conexão.

    Argumentos:
        function: recebe host, porta e duas mensagens; devolve a lista dos dois ecos.
    """
    expected = ["um", "ção"]
    with Learner(function) as learner:
        answer, error, address = with_echo(learner, *expected)
        connections, arrived = served(learner.trace)
        if error or answer != expected:
            came = error or f"Recebi {brief(answer)}."
            hint = _conversation_hint(learner, expected, answer, error)
            if not connections and learner.used("connect"):
                hint = "A função recebe host e porta, e a nenhum deles você se conectou."
            came = unexplained(came) if hint else came
            return failed(f"Esperava {expected}. {came} {hint}", learner)
        data, both = "olá".encode(), ["olá", "olá"]
        if not read_it_all(learner, address, "".join(expected)):
            text = "Os textos estão certos, mas você não recebeu os ecos."
        elif not connections and not learner.used("connect"):
            text = "Você devolveu os textos sem os enviar: nada chegou ao servidor."
        elif not connections:
            text = "Os ecos estão certos, mas de outro servidor: a função recebe host e porta."
        elif connections != 1:
            text = f"Os ecos estão certos, mas esperava uma conexão e vi {connections}: um with só."
        elif arrived != "".join(expected).encode():
            text = f"Os textos estão certos, mas ao servidor chegou {brief(arrived)}."
            if arrived == "".join(reversed(expected)).encode():
                text += " A segunda mensagem foi enviada antes da primeira."
        elif not _one_at_a_time(learner, expected):
            text = f"Os textos vieram certos por sorte. {_GLUED}"
        elif answered(learner, data, "OLÁ".encode(), *both, times=2)[0] == both:
            text = OWN_MESSAGE
        else:
            return passed("Certo: dois ecos, uma conexão.")
        return failed(text, learner)


def _conversation_hint(learner: Learner, expected: list[str], answer: Any, error: str) -> str:
    """A pista do engano que os dois ecos, ou as chamadas, mostram."""
    if "'EchoClient' object has no attribute" in error or "esperava um texto (str)" in error:
        return (
            "O send do EchoClient já faz tudo: envia o texto, espera o eco e o devolve, em texto."
        )
    if "no attribute 'decode'" in error and "sendall" not in error:
        return "O send do EchoClient já devolve texto: tire o decode."
    if "EADDRINUSE" in error:
        return "O servidor já está de pé, em host e porta: a função é só o cliente."
    if "a conversa não está aberta" in error:
        return "O EchoClient conecta na entrada do with e fecha na saída: os dois send vão dentro."
    if error and not _one_at_a_time(learner, expected):
        return _GLUED
    match answer:
        case None if error:
            return ""
        case [bytes(), *_]:
            return "São bytes, e não texto: falta o decode, ou sobra um encode?"
        case [first, second] if first == second == expected[0]:
            return "O segundo eco devia ser o de `b`."
        case ["a", "b"]:
            return "Entre aspas, 'a' é um texto qualquer; a mensagem é a, sem aspas."
        case [*_] if answer == expected[::-1]:
            return "A ordem é a do envio: primeiro o eco de `a`."
        case [str(only)] if only == "".join(expected):
            return "As duas foram juntas: envie uma, receba o eco, e só então a outra."
        case [*_] if answer == [*"".join(expected)]:
            return "+= junta à lista cada letra; append, o texto."
        case [*_] if 0 < len(answer) < len(expected):
            return "Falta um eco: o return está dentro do laço?"
        case [None, *_]:
            return "print, append e sendall devolvem None; cada item é o eco que voltou."
        case list():
            return "O que a lista deve ter é o que o send de cada mensagem devolveu."
    if answer is None:
        return (
            "Faltou o return? print só mostra, e append devolve None; a resposta é a lista dos "
            "dois ecos."
        )
    return "Devolva uma lista com os dois ecos."


def one_after_another(function: Callable[[socket.socket, int], Any]) -> Check:
    """Verifica um servidor que atende n clientes em sequência, e sobrevive ao que cai.

    Argumentos:
        function: recebe o socket de escuta e n; volta depois do último.
    """
    for visits in (4, 2):
        if wrong := _visits(function, visits):
            return wrong
    return passed("Certo: um depois do outro, quantos se pedirem; um calado, e um que caiu.")


def _visits(function: Callable[[socket.socket, int], Any], visits: int) -> Check | None:
    attend = hurried(function, _SILENCE)
    falls = partial(_quick_visit, messages=MESSAGES[:1], falls=True)
    clients = (_quick_visit, falls, partial(_quick_visit, messages=()), _slow_visit)

    def serve(listener: socket.socket, n: int) -> None:
        attend(listener, n)  # o que ela devolve não importa

    with Learner(serve) as learner:
        address = learner.listen(visits)
        for number, visit in enumerate(clients[:visits], 1):
            if wrong := visit(learner, address):
                why = _missed(learner, number, visits) if wrong == _NO_ECHO else ""
                return failed(f"O cliente {number} {wrong} {why}", learner)
        _, error = learner.result()
        if error == NEVER_ENDED:
            error = (
                f"{visits} clientes vieram, um deles caiu, e a função não voltou: ela conta até n, "
                f"que desta vez é {visits}?"
            )
        if not error and (number := _kept_open(learner)):
            fell = "; também a de quem caiu" if number == 2 else ""
            error = (
                f"Todos receberam o eco, mas faltou fechar conn depois do cliente {number}: feche "
                f"cada conversa quando ela acaba, antes de atender outra (with, ou finally){fell}."
            )
        return failed(error, learner) if error else None


def _slow_visit(learner: Learner, address: Address) -> str:
    """Um cliente que demora a vir, e depois a falar; devolve o que houve de errado, ou ""."""
    sleep(_LULL)  # ninguém vem: um prazo posto no accept passa
    peer = learner.peer(address)
    if peers.exchange(peer, b"oi") != b"oi":
        return _NO_ECHO
    sleep(_SILENCE)
    if peers.exchange(peer, b"e agora?") != b"e agora?":
        return (
            f"calou-se por {in_seconds(_SILENCE)}, falou, e não teve eco: calar-se é cair? Um "
            "prazo que acaba, por longo que seja, só diz que ele se calou."
        )
    learner.look()
    if not learner.running():
        return "ainda estava conectado, e a função já tinha voltado: quem espera que ele saia?"
    peers.end(peer)
    return ""


def _kept_open(learner: Learner) -> int:
    """O número do primeiro cliente que não foi fechado antes do accept seguinte; 0, se nenhum.

    Quem atende numa thread fecha nela, e não tem de o fazer antes do accept seguinte.
    """
    accepted: list[int | None] = []
    closed = set()
    for event in learner.own_events():
        if event.call == "accept" and not event.error:
            accepted.append(event.connection)
            thread = event.thread
        elif event.call == "close" and (
            event.connection in accepted[-1:] or (accepted and event.thread != thread)
        ):
            closed.add(event.connection)
    return next((n for n, c in enumerate(accepted, 1) if c not in closed), 0)


def _insists(learner: Learner) -> bool:
    """Se o código volta a usar uma conexão que já deu ConnectionError."""
    fallen = set()
    for event in learner.own_events():
        if event.connection in fallen and (event.sends or event.receives):
            return True
        if (event.sends or event.receives) and isinstance(event.error, ConnectionError):
            fallen.add(event.connection)
    return False


def _missed(learner: Learner, number: int, visits: int) -> str:
    """Por que um cliente ficou sem eco."""
    _, error = learner.result(0.5)
    own = learner.own_events()
    accepts = [event for event in own if event.call == "accept"]
    if "já foi fechado" in error and ".accept()" in error:
        return f"{unexplained(error)} {CLOSED_LISTENER}"
    if number > 1 and "já foi fechado" in error and len(accepts) == 1:
        return f"{unexplained(error)} Cada cliente pede o seu accept: ele vai dentro do for."
    if any(kind in unexplained(error) for kind in ("Connection", "BrokenPipe")):
        return f"{error}\nQuem caiu foi um cliente só: o servidor segue para o próximo."
    if error == NEVER_ENDED:
        if _insists(learner):
            return _INSISTS
        if number > 1:
            return "O anterior já saiu: o laço dele acabou? Quem volta ao accept?"
        if not any(event.receives and event.size for event in own):
            if len({event.socket for event in own if event.call == "listen"}) > 1:
                return ANOTHER_LISTENER
            return "Você nada recebeu dele: atenda cada um antes de voltar ao accept."
        if not any(event.sends for event in own):
            return "Você recebeu, e nada enviou: a cada recv, um sendall."
        return "Depois da primeira mensagem, algo volta ao recv? Os dados mudam a cada volta?"
    accepted = sum(not event.error for event in accepts)
    text = f"A função voltou depois de atender {accepted}, e n era {visits}"
    if any(isinstance(event.error, TimeoutError) for event in accepts):
        return f"{text}: o prazo do accept que acaba não é um cliente. Conte só quem chegou."
    return error or f"{text}: o accept se repete n vezes? Um break ou um except encerra o laço?"


def _visit(
    learner: Learner, address: Address, messages: tuple[str, ...], silence: float = 0
) -> Check | None:
    """Um cliente que confere cada eco, e se cala `silence` segundos antes da última mensagem."""
    peer = learner.peer(address)
    for i, message in enumerate(messages):
        data = message.encode()
        last = message == messages[-1]
        sleep(silence if last else 0)
        received = peers.exchange(peer, data)
        if not received and silence and last:
            learner.look()
            if gave_up(learner) and not learner.running():
                return took_silence_for_the_end(learner, silence)
        if received != data:
            return wrong_answer(learner, peer, data, data, received, first=not i)
    learner.look()
    if not learner.running():
        text = "O cliente ainda estava conectado, e a função já tinha voltado: ela atende até "
        return failed(f"{text}vir b'', e só então volta.", learner)
    peers.end(peer)
    if extra := peers.receive(peer, 1):
        return failed(f"Depois das respostas, veio mais: {extra!r}…", learner)
    return None


def _quick_visit(
    learner: Learner, address: Address, messages: tuple[str, ...] = MESSAGES, falls: bool = False
) -> str:
    """Um cliente que sai sem esperar pelo servidor, ou cai (RST); o que houve de errado, ou ""."""
    peer = learner.peer(address)
    for data in map(str.encode, messages):
        if (received := peers.exchange(peer, data)) != data:
            learner.look()
            if received and learner.sent_a_part():
                why = LOST_BY_SEND
            elif data.startswith(received):
                return _NO_ECHO
            else:
                why = "o eco são os bytes que chegaram."
            return f"enviou {brief(data)} e recebeu {brief(received)}: {why}"
    if falls:
        peers.send(peer, b"x" * 100)
        peers.reset(peer)
    else:
        peers.end(peer)
    return ""


def sends_a_list(function: Callable[[str, int, list[str]], list[str]]) -> Check:
    """Verifica um cliente que envia uma lista de mensagens numa só conexão.

    Argumentos:
        function: recebe host, porta e a lista; devolve a lista dos ecos, "" para a vazia.
    """
    empty = (
        'Uma mensagem vazia não tem bytes: não espere o eco dela; na lista, ponha "", mesmo que o '
        "laço dos recv nem comece."
    )
    piece = "Um recv traz só o que já chegou: junte até ter todos os bytes, e não letras, do eco."
    cases: list[tuple[list[str], list[int], str]] = [
        (["oi", "tchau"], [], _LIST),
        (["oi", "", "fim"], [], empty),
        ([*MESSAGES, "fim"], [], piece),
        (["ção", "🗣️"], BYTE_BY_BYTE, piece),
        (_TWINS, [], _EACH_ITS_OWN),
        ([], [], "Sem mensagens, a lista dos ecos é vazia."),
    ]
    advice = ""
    with Learner(function) as learner:
        for messages, pieces, hint in cases:
            answer, error, address = with_echo(learner, messages, pieces=pieces)
            what = f"Com a lista {_listed(messages)}"
            if error or answer != messages:
                came = error or f"Recebi {_listed(answer)}."
                if own := _list_hint(learner, messages, answer, error):
                    came = unexplained(came)
                hint = own or ("" if error and hint == _LIST else hint)
                return failed(f"{what}. {came} {hint}", learner)
            connections, arrived = served(learner.trace)
            if gave_up(learner):
                wrong = f"os textos estão certos, mas {WAITED}"
            elif not read_it_all(learner, address, "".join(messages)):
                wrong = "os textos estão certos, mas você não recebeu os ecos inteiros."
            elif connections > 1:
                wrong = f"os ecos estão certos, mas vi {connections} conexões: use uma só."
            elif arrived != "".join(messages).encode():
                wrong = f"os textos estão certos, mas ao servidor chegou {brief(arrived)}."
            elif not _one_at_a_time(learner, messages):
                wrong = "você enviou um texto antes de receber inteiro o eco do anterior."
            else:
                advice = advice or left_open(learner, connect=TO_CLOSE)
                continue
            return failed(f"{what}, {wrong}", learner)
        if impostor := talks_to_another(learner, ["olá"]):
            return impostor
    done = "Seu cliente passou: várias mensagens, a vazia, uma comprida, numa só conexão."
    return passed(done + advice)


def _one_at_a_time(learner: Learner, messages: list[str]) -> bool:
    """Se cada texto só foi enviado depois do eco inteiro do anterior."""
    begins = {0, *accumulate(len(message.encode()) for message in messages)}
    gone = came = 0
    for event in learner.own_events():
        if event.sends and gone in begins and came < gone:
            return False
        after = gone + event.size * event.sends
        if after in begins and any(gone < begin < after for begin in begins):
            return False  # vários de uma vez
        gone = after
        came += event.size * event.receives
    return True


def _list_hint(learner: Learner, messages: list[str], answer: Any, error: str) -> str:
    """A pista do engano que os ecos, ou as chamadas, mostram."""
    gone, came = learner.totals()
    whole = {*accumulate(len(message.encode()) for message in messages)}
    if messages == _TWINS:
        return _EACH_ITS_OWN
    if gone not in whole and learner.sent_a_part():
        return LOST_BY_SEND
    if error and came >= max(whole, default=0) and not _one_at_a_time(learner, messages):
        return "Os ecos vieram colados: receba um inteiro antes de enviar o texto seguinte."
    if waits(error) and all(messages) and came == gone in whole:
        return TOO_MUCH
    if answer is None and not error:
        return "Faltou o return?"
    if not error and came < gone and gave_up(learner):
        return f"Faltam textos: {WAITED}"
    if isinstance(answer, list) and answer.count("") > messages.count("") > 0:
        return 'O "" da mensagem vazia entrou duas vezes: no if, e outra vez depois dele.'
    if "" in messages and answer in (messages[: (at := messages.index(""))], messages[: at + 1]):
        return "O laço acabou na vazia: continue, e não break nem return."
    if answer == messages[:1]:
        return "Faltam ecos: o return está dentro do laço? Ou ele tira itens da lista que percorre?"
    if answer == messages[-1:]:
        return (
            "Só veio o último. A lista é criada antes do laço, que começa no primeiro? O append "
            "fica dentro dele?"
        )
    if isinstance(answer, list) and sorted(map(str, answer)) == sorted(messages):
        return "São esses, em outra ordem: append põe cada um no fim, e a lista que veio não muda."
    if answer == [message.strip() for message in messages]:
        return "Os espaços são da mensagem: tire o strip."
    if isinstance(answer, list) and answer == [*"".join(map(str, answer))] and any(answer):
        return "São letras soltas: += junta à lista cada letra; append põe o texto inteiro."
    match answer:
        case [first, *_] if hint := not_decoded(first):
            return hint
        case [str(first), str(two), *_] if first == messages[0] != two and two.startswith(first):
            return "O segundo traz o primeiro junto: comece cada eco com dados = b''."
        case [str(first), *_] if first != messages[0] and "".join(messages).startswith(first):
            if first.startswith(messages[0]):
                return "Os ecos vieram colados: receba um inteiro antes de enviar o texto seguinte."
    return ""


def _listed(answer: Any) -> str:
    """Uma lista com os seus itens encurtados; outra coisa, como é."""
    if isinstance(answer, list):
        return f"[{', '.join(map(brief, answer))}]"
    return brief(answer)
