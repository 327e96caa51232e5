"""Lição 09: vários clientes ao mesmo tempo, um placar dividido, uma sala de bate-papo.

Cada passo devolve "" ou o que deu errado: o que se tentou, o que veio e uma pista da causa.
"""

import dis
import errno
import queue
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from inspect import iscoroutinefunction
from itertools import chain, takewhile
from time import monotonic, sleep
from typing import Any

from echo_lib import isolated
from echo_lib.checks import peers
from echo_lib.checks.base import (
    LOST_BY_SEND,
    Check,
    and_the_hidden,
    brief,
    failed,
    names,
    passed,
    unexplained,
    with_the_called,
)
from echo_lib.isolated import NEVER_ENDED, Learner, codes
from echo_lib.worker import SENT_AT_ONCE, limit_buffers, told

Handler = Callable[..., Any]
_SCENE = 8  # prazos para uma cena inteira
_SILENCE = 0.2  # segundos para crer que nada vem
_LATEST = 0.7  # segundos, no máximo, até o segundo cliente
_LULL = 0.6  # segundos sem ninguém: passa do prazo que a lição põe no accept
_SAME_LIST = "append e remove mudam a lista que veio; sala = … faz outra."
_TEXT = "olá, ção 🗣️".encode()
_LONG = b"a" * (SENT_AT_ONCE + 10)  # mais do que um send aceita, e menos que um recv(1024)
_MEBIBYTE = bytes(range(256)) * 4096
_CROWD = 8  # clientes do placar
_ROUNDS = 20  # vezes em que três falam juntos
_FLOODS = 5  # no máximo: a thread de quem não lê pode só esperar a vez, e então cabe mais
_SLOWNESS = 0.05  # segundos que o placar leva para ler, e para escrever
_FAIR = 0.01  # segundos que a trava solta espera por outra thread
_NO_ECHO = "A função ecoa o que recebe? Ou espera uma trava que ela mesma guarda?"
_NOTHING_MORE = "Os outros ouvem o que foi dito, sem nada a mais."
_EVERYONE = "O laço passa por todos os que estão na sala, e a cada um faz outro.sendall?"
_TWICE = (
    "Na sua função, quem já tinha a trava a pediu outra vez, e espera por si mesmo: para cada "
    "acquire, um release antes do seguinte; nunca um with trava dentro de outro."
)
_PER_MESSAGE = "Contou mensagens? Some 1 uma vez por cliente, antes do laço."
_RETURNED = "Sua função voltou: ela deve atender para sempre."
_COROUTINE = "async def só cria uma corrotina: escreva def servir(escuta), com asyncio.run dentro."
_CUT_BY_DEADLINE = (
    "O sendall num socket que não espera, ou cujo prazo acabou, lança um erro no meio e não diz "
    "quantos bytes foram: use send, que diz, e guarde o resto."
)
_ITS_DEADLINE = "Um prazo no recv que acaba não é o fim: o calado continua ali."
_SLOW = "O tempo acabou: se o laço espera um pouco por cada cliente, todos esperam por todos."
_SLEEPS = (
    "O tempo acabou: time.sleep, num async def, faz todos os clientes esperarem; await "
    "asyncio.sleep, só aquele."
)
_ASYNCIO = {"asyncio", "start_server"}
_CLOSED = {errno.EBADF, errno.ENOTSOCK, getattr(errno, "WSAENOTSOCK", errno.ENOTSOCK)}  # já fechado


def two_clients(function: Callable[[socket.socket], Any]) -> Check:
    """Verifica um servidor em que o segundo cliente não espera pelo primeiro.

    Argumentos:
        function: recebe o socket que já escuta; atende para sempre.
    """
    steps = [_second_is_served, _each_its_own]
    check = _served(function, steps, "Certo: o calado já não prende os outros.", [])
    return and_the_hidden(check, function)


def many_clients(function: Callable[[socket.socket], Any]) -> Check:
    """Verifica um servidor inteiro, por qualquer técnica, com clientes de todo tipo ao mesmo tempo.

    Argumentos:
        function: recebe o socket que já escuta; atende para sempre.
    """
    steps = [_second_is_served, _byte_by_byte, _each_its_own, _drops, _says_goodbye, _mebibyte]
    steps += [_reads_late, _comes_after_a_lull, _silent_speaks]
    right = (
        "Seu servidor passou: um calado, um que cai, um byte a byte, 1 MiB, e um que envia sem "
        "ler, todos juntos."
    )
    check = _served(function, steps, right, [2] + [1] * len(_TEXT))  # os acentos chegam partidos
    return and_the_hidden(check, function)


def counter(function: Handler) -> Check:
    """Verifica quem conta os clientes conectados, cada um na sua thread.

    Argumentos:
        function: recebe `conn`, o dicionário do placar e a trava; ecoa até o cliente sair.
    """
    right = f"Certo: {_CROWD} entraram juntos, metade saiu, o resto caiu, e nenhum ficou na conta."
    return and_the_hidden(_played(_count, function, right), function)


def chat_room(function: Handler) -> Check:
    """Verifica uma sala de bate-papo em que cada cliente tem a sua thread.

    Argumentos:
        function: recebe `conn`, a lista da sala e a trava; volta quando o cliente sai.
    """
    right = "Certo: todos ouvem os outros, e quem sai ou cai deixa a sala."
    return and_the_hidden(_played(_chat, function, right), function)


def _served(
    function: Handler, steps: Sequence[Callable[["Guests"], str]], right: str, pieces: list[int]
) -> Check:
    """Põe o servidor no ar e dá os passos, até o que falha; `pieces`, como em Learner.listen."""
    with Learner(partial(_watched, function)) as learner:
        guests = Guests(learner, pieces, function)
        wrong = next(filter(None, map(guests.go_through, steps)), "")
        _, error = learner.result(timeout=_SILENCE)
        if error != NEVER_ENDED and not guests.still_served:  # devia continuar a atender
            ended = error or _RETURNED
            if iscoroutinefunction(function):
                ended = _COROUTINE
            elif "'parar'" in error:
                ended = (
                    f"{unexplained(error)} Aqui a chamada é servir(escuta), e só; o do arquivo "
                    "pede também um aviso: servir(escuta, threading.Event())."
                )
            elif error and _receives_from_the_listener(learner):
                ended = f"{unexplained(error)} Quem recebe é conn, e não a escuta."
            return failed(f"{wrong.partition('. ')[0]}. {ended}" if wrong else ended, learner)
        if not wrong and "drain() só cria a corrotina;" in learner.notes:
            wrong = "Todos receberam o eco, mas falta um await: sem ele, essa chamada nem começa."
        return failed(wrong, learner) if wrong else passed(right)


def _sleeps(function: Any) -> bool:
    """Se o código usa, ou importa, time.sleep."""
    space = getattr(function, "__globals__", {})
    module = owner = ""
    for step in chain.from_iterable(map(dis.get_instructions, codes(function))):
        if step.argval == "sleep" and (
            (step.opname == "IMPORT_FROM" and module == "time")
            or (step.opname == "LOAD_GLOBAL" and space.get("sleep") is sleep)
            or (step.opname in ("LOAD_ATTR", "LOAD_METHOD") and owner == "time")
        ):
            return True
        if step.opname == "IMPORT_NAME":
            module = step.argval
        owner = step.argval
    return False


def _receives_from_the_listener(learner: Learner) -> bool:
    own = learner.own_events()
    listeners = {event.socket for event in own if event.call == "accept"}
    return any(event.call == "recv" and event.socket in listeners for event in own)


def _played(scene: Callable[[Handler], str], function: Handler, right: str) -> Check:
    """Roda a cena, com o código do aluno, no outro processo."""
    with Learner(partial(_on_stage, scene, function, isolated.TIMEOUT)) as learner:
        learner.start()
        wrong, error = learner.result(timeout=_SCENE * isolated.TIMEOUT)
        return failed(error or wrong, learner) if error or wrong else passed(right)


class Guests:
    """Os clientes de uma verificação; fecham com o Learner."""

    def __init__(self, learner: Learner, pieces: list[int], function: Handler) -> None:
        self.learner, self._address = learner, learner.listen(pieces=pieces)
        known = with_the_called(function)
        self.asyncio = any(names(each) & _ASYNCIO for each in known)
        self.sleeps = self.asyncio and any(map(_sleeps, known))
        self._here: list[socket.socket] = []
        self.silent = self.new()
        self._here.clear()  # este fica até o fim
        self.still_served = False  # se o servidor continuava quando um passo falhou
        # Os de `peers`, com paciência para uma máquina ocupada.
        self.flood = partial(peers.flood, hunger=learner.hunger)
        self.receive = partial(peers.receive, hunger=learner.hunger)
        self.exchange = partial(peers.exchange, hunger=learner.hunger)

    def new(self) -> socket.socket:
        """Mais um cliente."""
        self._here.append(self.learner.peer(self._address))
        return self._here[-1]

    def why_cut(self) -> str:
        """Por que um eco veio pela metade."""
        if self.sleeps:
            return _SLEEPS
        sends = [event for event in self.learner.look() if event.sends]
        if any(isinstance(e.error, (BlockingIOError, TimeoutError)) for e in sends):
            return _CUT_BY_DEADLINE
        lost = any(e.call == "send" for e in sends) and not self.asyncio  # ele envia o resto
        return LOST_BY_SEND if lost else _SLOW

    def dropped(self, client: socket.socket) -> bool:
        """Se o servidor já fechou a conversa deste cliente."""
        address, events = client.getsockname(), self.learner.look()
        return any(event.call == "close" and event.peer == address for event in events)

    def go_through(self, step: Callable[["Guests"], str]) -> str:
        """Dá um passo; depois, os que vieram vão embora: há quem só atenda alguns por vez."""
        wrong = step(self)
        if wrong:  # antes que a partida deles derrube quem ainda atendia
            self.learner.look()
            self.still_served = self.learner.running()
        while self._here:
            self._here.pop().close()
        return wrong


def _second_is_served(guests: Guests) -> str:
    """O segundo fala com o primeiro calado; depois, o primeiro."""
    came = guests.exchange(guests.new(), b"e eu?")
    if came == b"e eu?":
        return _silent_speaks(guests, early=True)
    what = "Com um primeiro cliente calado, o segundo enviou b'e eu?'"
    if came:
        return f"{what} e recebeu só {brief(came)}. Depois do primeiro recv, algo volta ao recv?"
    if guests.exchange(guests.silent, b"oi") == b"oi":
        hint = "O primeiro, quando fala, recebe: até ele sair, o seu código não volta ao accept?"
        return f"{what} e não recebeu nada. {hint}"
    hint = (
        "Você chama accept, no socket que recebeu, recv e sendall? Se há thread, ela começou "
        "(start)? Se é asyncio, falta um await?"
    )
    own = guests.learner.look()
    if any(e.receives and e.size for e in own) and not any(e.sends for e in own):
        hint = "Os bytes chegaram, e não voltaram: a cada recv, um sendall, sem esperar o fim."
        if guests.asyncio:
            hint = "Os bytes chegaram, e não voltaram. No asyncio são await leitor.read(1024), "
            hint += "escritor.write(dados) e await escritor.drain()."
    return f"{what}; nem ele nem o primeiro receberam eco. {hint}"


def _byte_by_byte(guests: Guests) -> str:
    """Um cliente cujos acentos chegam partidos."""
    came = guests.exchange(guests.new(), _TEXT)
    if came == _TEXT:
        return ""
    hint = "Um byte pode ser só parte de um caractere, e um eco não precisa de texto."
    hint = guests.why_cut() if guests.sleeps else hint
    said = f"{_TEXT.decode()!r}, que chegou aos pedaços"
    return f"Um cliente enviou {said}; voltou {brief(came)}. {hint if came else ''}"


def _each_its_own(guests: Guests) -> str:
    """Vários falam no mesmo instante, muitas vezes, e cada um recebe só o que é seu."""
    talks = {guests.new(): letter * 50 for letter in (b"a", b"b", b"c")}
    for _ in range(_ROUNDS):
        for client, said in talks.items():
            peers.send(client, said)
        for client, said in talks.items():
            if (came := guests.receive(client, len(said))) != said:
                what = f"Três falaram juntos; quem enviou {brief(said)} recebeu {brief(came)}."
                if not came and guests.dropped(client):
                    return f"{what} Depois do primeiro recv, algo volta ao recv?"
                if {*came} - {*said}:  # os de outro
                    hint = "O que um envia fica numa variável da função dele, e não numa de todos."
                    return f"{what} {hint}"
                few = "" if came else " Ou o seu servidor só atende alguns por vez?"
                return f"{what} {guests.why_cut()}{few}"
    return ""


def _drops(guests: Guests) -> str:
    """Um cliente cai de repente; o que já estava e um novo continuam atendidos."""
    stays, falls = guests.new(), guests.new()
    guests.exchange(stays, b"oi")
    guests.exchange(falls, b"oi")
    peers.reset(falls)
    for who, client in (("outro, que já estava,", stays), ("um novo", guests.new())):
        if guests.exchange(client, b"ainda?") != b"ainda?":
            hint = "A queda de um é um ConnectionError no recv dele, e só dele."
            return f"Um cliente caiu de repente, e {who} ficou sem eco. {hint}"
    return ""


def _says_goodbye(guests: Guests) -> str:
    """Quem termina de enviar recebe o fim."""
    client = guests.new()
    guests.exchange(client, b"oi")
    if (came := peers.after_the_end(client)) is None:
        hint = "O que devolve o recv, depois do fim? E quem fecha o conn, ou o escritor do asyncio?"
        return f"Um cliente terminou de enviar, e a conexão dele não foi fechada. {hint}"
    return f"Depois do fim, um cliente recebeu {brief(came)}, que não enviou." if came else ""


def _mebibyte(guests: Guests) -> str:
    """1 MiB de um cliente, e depois outro."""
    client, other = guests.new(), guests.new()
    came = guests.exchange(client, _MEBIBYTE)
    if came != _MEBIBYTE:
        what = f"Um cliente enviou 1 MiB ({len(_MEBIBYTE)} bytes); voltaram {len(came)}"
        short = len(came) < len(_MEBIBYTE)
        return f"{what}. {guests.why_cut()}" if short else f"{what}, trocados."
    answered = guests.exchange(other, b"e eu?") == b"e eu?"
    return "" if answered else "Depois de 1 MiB de um, outro parou."


def _reads_late(guests: Guests) -> str:
    """Um cliente envia sem ler o eco, até que nada mais caiba; só o lê depois de outro falar."""
    client, other = guests.new(), guests.new()
    gone = guests.flood(client)
    what = f"Um cliente enviou {gone} bytes sem ler o eco"
    if guests.exchange(other, b"e eu?") != b"e eu?":
        hint = (
            "O sendall espera até quem não lê ler: o que falta enviar a um não pode parar o resto."
        )
        dropped, address = guests.dropped(other), other.getsockname()
        if dropped and any(event.peer == address for event in guests.learner.expired()):
            hint = _ITS_DEADLINE
        return f"{what}, e outro ficou sem resposta. {hint}"
    if (came := len(guests.receive(client, gone))) == gone:
        return ""
    return f"{what}; quando os leu, eram {came}. {guests.why_cut()}"


def _comes_after_a_lull(guests: Guests) -> str:
    """Ninguém chega por um tempo; e depois, alguém."""
    sleep(_LULL)
    if guests.exchange(guests.new(), b"e agora?") == b"e agora?":
        return ""
    hint = "Um prazo do accept que acaba só diz que ninguém chegou ainda."
    return f"Por {_LULL} s ninguém veio, e quem veio depois ficou sem eco. {hint}"


def _silent_speaks(guests: Guests, early: bool = False) -> str:
    """O calado do começo fala; se `early`, o rastro ainda tem tudo o que o servidor fez."""
    address = guests.silent.getsockname()
    came = guests.exchange(guests.silent, b"agora eu")
    if came == b"agora eu":
        return ""
    hint = _ITS_DEADLINE
    if early and not any(e.receives and e.peer == address for e in guests.learner.look()):
        hint = (
            "Na conexão dele, ninguém chamou recv. Uma thread que começa tarde acha em conn o "
            "cliente seguinte: entregue o dele a ela, em args=(conn,). Ou a dele espera uma trava "
            "que outra guarda enquanto conversa."
        )
    return f"O calado falou, enfim, e recebeu {brief(came)}. {hint}"


# As cenas rodam no processo do código do aluno: dele são o placar, a sala e as threads.


def _watched(function: Handler, listener: socket.socket) -> None:
    """Roda o servidor do aluno; um engano numa thread dele, que ninguém veria, também o encerra."""
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def note(thrown: threading.ExceptHookArgs) -> None:
        error = thrown.exc_value
        if not isinstance(error, OSError) or error.errno in _CLOSED:  # a queda de um não é engano
            ended.put(error)

    def serve() -> None:
        threading.setprofile(partial(_start_late, listener))
        try:
            ended.put(function(listener))
        except BaseException as error:
            ended.put(error)

    threading.excepthook = note
    threading.Thread(target=serve, daemon=True).start()
    if isinstance(error := ended.get(), BaseException):
        raise error


def _start_late(listener: Any, *given: Any) -> None:
    """Atrasa a primeira thread do aluno: quando uma thread começa, é o sistema que decide.

    A de um cliente, até que venha o seguinte, se vier logo; outra, só um pouco.

    Fonte: docs.python.org, threading.setprofile, chamada em cada thread antes do run dela.
    """
    threading.setprofile(None)
    sys.setprofile(None)
    sleep(_SILENCE)
    for _ in range(int(_LATEST / 0.01)):
        if sum(event.call == "accept" for event in listener._trace.events()) != 1:
            break
        sleep(0.01)


def _on_stage(scene: Callable[[Handler], str], function: Handler, timeout: float) -> str:
    """Roda a cena com o prazo de quem verifica."""
    isolated.TIMEOUT = timeout
    return scene(function)


class SlowBoard(dict[str, Any]):
    """Um placar lento: entre ler e somar, ou antes de escrever, as outras threads têm tempo."""

    reads = writes = 0

    def __getitem__(self, key: str) -> Any:
        self.reads += 1
        value = super().__getitem__(key)
        sleep(_SLOWNESS)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self.writes += 1
        sleep(_SLOWNESS)
        super().__setitem__(key, value)

    def update(self, *given: Any, **named: Any) -> None:
        for key, value in dict(*given, **named).items():
            self[key] = value

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401 (é ela mesma)

    @property
    def now(self) -> Any:
        """O que está escrito, sem demora."""
        return super().get("agora")


class FairLock:
    """Uma trava que, solta, deixa que outra thread a pegue antes de quem a soltou."""

    def __init__(self, pause: float = _FAIR) -> None:
        self._lock = threading.Lock()
        self._holder = 0  # a thread que a tem
        self.pause = pause
        self.twice = False  # se quem a tinha a pediu outra vez: espera por si, para sempre

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        self.twice |= blocking and timeout < 0 and self._holder == threading.get_ident()
        taken = self._lock.acquire(blocking, timeout)
        self._holder = threading.get_ident() if taken else self._holder
        return taken

    def release(self) -> None:
        self._holder = 0
        self._lock.release()
        sleep(self.pause)

    def locked(self) -> bool:
        return self._lock.locked()

    __enter__ = acquire

    def __exit__(self, *error: object) -> None:
        self.release()


class Room(list[Any]):
    """Uma sala em que, a pedido, alguém sai enquanto o laço de outra thread passa por ela."""

    leave: Callable[[], object] | None = None  # o que o laço, já com o primeiro na mão, provoca

    def __iter__(self) -> Iterator[Any]:
        for member in super().__iter__():
            leave, self.leave = self.leave, None
            if leave:
                size = len(self)
                leave()
                # Contadas, e não medidas: com o processo parado, o relógio anda e ninguém sai.
                for _ in range(int(_SILENCE / 0.01)):  # quem guarda a trava não deixa ninguém sair
                    if len(self) != size:
                        break
                    sleep(0.01)
            yield member


# Como os erros do aluno os chamam.
SlowBoard.__name__, Room.__name__, FairLock.__name__ = "dict", "list", "lock"


class House:
    """Dá a cada cliente que chega uma thread com a função do aluno."""

    def __init__(self, function: Handler, *shared: Any) -> None:
        self._function, self._shared = function, shared  # a última é a trava
        self._listener = socket.create_server(("127.0.0.1", 0))
        limit_buffers(self._listener)
        self._threads: list[threading.Thread] = []
        self._back = 0  # quantas funções voltaram sem que o cliente saísse
        self.error = ""  # em que o código do aluno parou, mesmo que nada tenha faltado

    def crowd(self, count: int) -> list[socket.socket]:
        """Clientes novos, atendidos ao mesmo tempo."""
        address, together = self._listener.getsockname(), threading.Barrier(count)
        clients = [socket.socket() for _ in range(count)]
        for client in clients:
            limit_buffers(client)
            client.settimeout(isolated.TIMEOUT)
            client.connect(address)
        for _ in clients:
            given = (self._listener.accept()[0], together)
            self._threads.append(threading.Thread(target=self._attend, args=given, daemon=True))
            self._threads[-1].start()
        return clients

    def inside(self) -> int:
        """Quantos clientes a função do aluno ainda atende."""
        return sum(thread.is_alive() for thread in self._threads)

    def until(self, ready: Callable[[], bool]) -> bool:
        """Espera até que algo seja verdade, o prazo acabe, ou não reste quem o torne verdade."""
        deadline = monotonic() + isolated.TIMEOUT
        while not ready() and self.inside() and monotonic() < deadline:
            sleep(0.01)
        return ready()

    def _attend(self, conn: socket.socket, together: threading.Barrier) -> None:
        together.wait()
        try:
            self._function(conn, *self._shared)
            self._back += not _has_left(conn)
        except ConnectionError:
            pass  # a queda do cliente: quem chamou a função a espera
        except BaseException as error:
            code = getattr(self._function, "__code__", None)
            self.error = told(error, {getattr(code, "co_filename", "")})
        finally:
            conn.close()

    def because(self, text: str, hint: str = "") -> str:
        """O que deu errado e por quê: o erro do código ou, se não houve, a pista."""
        if self._shared[-1].twice:
            return f"{text} {_TWICE}"
        if self._back:  # os erros das outras threads são consequência
            return (
                f"{text} Sua função voltou com o cliente ainda conectado: falta um laço? Ou um "
                "return, ou um prazo do recv, a encerra?"
            )
        return f"{text} {self.error or hint}"


def _has_left(conn: socket.socket) -> bool:
    """Se o cliente desta conexão fechou, caiu, ou foi o código que a fechou."""
    try:
        conn.settimeout(0)
        conn.getpeername()  # ENOTCONN: caiu, mesmo que reste o que ler
        return not conn.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _count(function: Handler) -> str:
    """A cena do placar."""
    board = SlowBoard(agora=0)
    lock = FairLock()
    house = House(function, board, lock)
    crowd = house.crowd(_CROWD)
    for client in crowd:
        peers.send(client, b"oi")
    slow = 2 * _SLOWNESS * _CROWD  # o que o placar, com um de cada vez, demora com todos
    answered = len([*takewhile(lambda client: peers.receive(client, 2, slow) == b"oi", crowd)])
    answered += sum(_hears_more(client) == b"oi" for client in crowd[answered:])
    if answered < _CROWD:
        what = f"{_CROWD} clientes entraram juntos, e receberam eco: {answered}."
        hint = (
            "Uma thread que guarda a trava enquanto conversa deixa as outras à porta (cada acquire "
            "pede um release; with a solta sozinho)."
        )
        return house.because(what, hint if answered else _NO_ECHO)
    if not house.until(lambda: board.now == _CROWD):
        hint = (
            "Ler, somar e escrever são três passos: o que impede outra thread no meio deles? Só a "
            "trava que a função recebe é a mesma para todas, e é with que a pega (ou acquire(), "
            "com os parênteses)."
        )
        if not board.writes:
            hint = (
                "Nada foi escrito nele: a conta se guarda em placar['agora'], com = ou +=; noutro "
                "nome, ou só com +, ela se perde."
            )
        elif not board.reads:
            hint = "Foi escrito sem ser lido: += 1 soma ao que havia; = 1, e =+ 1, não."
        elif isinstance(board.now, int) and board.now > _CROWD:
            hint = _PER_MESSAGE
        what = f"Com {_CROWD} clientes conectados, placar['agora'] é {board.now!r}."
        return house.because(what, hint)
    half = _CROWD // 2
    for client in crowd[half:]:
        client.close()
    # Um número certo de passagem não vale; o de quem não acaba, depois do prazo, vale.
    house.until(lambda: house.inside() == half and board.now == half)
    if board.now != half:
        what = f"Metade saiu: esperava {half} no placar, e ele mostra {board.now!r}."
        return house.because(what, _discount_hint(board.now, half, house.inside() > half))
    if any(peers.exchange(client, b"oi") != b"oi" for client in crowd[:half]):
        hint = "Depois de responder, a função volta ao recv, até o cliente sair."
        return house.because("Quem ficou falou outra vez, e não recebeu o eco.", hint)
    if board.now != half:
        what = f"Quem ficou falou outra vez, e o placar passou de {half} a {board.now!r}."
        return house.because(what, _PER_MESSAGE)
    lock.pause = 0  # quem a solta a cada envio encheria o caminho devagar demais
    for _ in range(_FLOODS):
        gone = peers.flood(crowd[0])
        if any(peers.exchange(client, b"oi") != b"oi" for client in crowd[1:half]):
            what = "Um cliente enviou muito sem ler o eco, e os outros ficaram sem resposta."
            return house.because(
                what, "A trava é do placar: solte-a antes do sendall, que pode esperar."
            )
        if not gone:  # nada mais cabia: quem o atende está mesmo parado no sendall
            break
    lock.pause = _FAIR
    for client in crowd[:half:2]:
        peers.reset(client)
    for client in crowd[1:half:2]:
        peers.leave(client, bytes(5000))  # mais de um recv
    house.until(lambda: house.inside() == 0 and board.now == 0)
    if board.now != 0:
        what = (
            f"Os outros {half} saíram, uns de repente, outros sem ler o eco, e o placar ainda "
            f"mostra {board.now!r}."
        )
        return house.because(what, _discount_hint(board.now, 0, house.inside() > 0))
    return house.error


def _discount_hint(now: Any, expected: int, stuck: bool) -> str:
    """Por que o placar não desceu; se `stuck`, a função não soltou alguém que já saiu."""
    if now == _CROWD + _CROWD // 2:
        return "Quem sai se desconta: -= 1."
    if isinstance(now, int) and now > _CROWD:
        return _PER_MESSAGE
    if isinstance(now, int) and now < expected:
        return "Cada cliente se desconta uma vez, quando sai, do número que há então: -= 1."
    if not expected:
        return (
            "Uma queda é um erro no recv, ou no sendall, e qualquer ConnectionError (também um "
            "BrokenPipeError): o desconto é alcançado?"
        )
    if stuck and now == _CROWD - 1:
        return "Só um foi descontado: a trava foi solta depois? Cada acquire pede um release."
    if now == _CROWD:
        return (
            "Ninguém foi descontado: quem sai, com b'', chega ao desconto? Ou alguém espera no "
            "recv com a trava na mão?"
        )
    return "O desconto também é ler, subtrair e escrever."


def _chat(function: Handler) -> str:
    """A cena da sala."""
    room = Room()
    house = House(function, room, FairLock(pause=0))
    ana, rui, bia = house.crowd(3)
    if not house.until(lambda: len(room) == 3):
        what = f"Três entraram; na sala há {len(room)}."
        hint = f"Quem entra se põe na lista que a função recebeu? {_SAME_LIST}"
        if room:
            hint = "Alguém guarda a trava enquanto conversa?"
        return house.because(what, hint)
    for speaker, others, said in ((ana, [rui, bia], _TEXT), (rui, [ana, bia], _LONG)):
        if wrong := _heard(speaker, others, said):
            return house.because(*wrong)
    peers.reset(bia)
    if not house.until(lambda: len(room) == 2):
        what = f"Uma cliente caiu de repente, e na sala, em vez de 2, há {len(room)}."
        hint = f"Uma queda é um erro no recv: a saída é alcançada? {_SAME_LIST}"
        if len(room) < 2:
            hint = "Quem sai tira da lista só a si: sala.remove(conn)."
        return house.because(what, hint)
    house.until(lambda: house.inside() == 2)
    if any(getattr(member, "fileno", int)() < 0 for member in room):
        return house.because(
            "Uma cliente caiu de repente, e quem saiu da lista foi outro: sala.remove(conn) tira o "
            "próprio."
        )
    if wrong := _heard(ana, [rui]):
        return house.because("Depois que uma caiu:", " ".join(wrong))
    rui.close()
    if not house.until(lambda: len(room) == 1):
        what = f"Só a Ana ficou, e na sala há {len(room)}."
        hint = "Quem sai se tira da lista?"
        if house.inside() > 1:
            hint = "Quando alguém sai, recv devolve b'': o laço acaba aí?"
        return house.because(what, hint)
    (leo,) = house.crowd(1)
    house.until(lambda: len(room) == 2)
    if wrong := _heard(ana, [leo]):
        return house.because(*wrong)
    (eva,) = house.crowd(1)
    house.until(lambda: len(room) == 3)
    room.leave = partial(peers.reset, ana)
    wrong = _heard(eva, [leo])
    room.leave = None
    if house.inside() < 2 or (not wrong and _heard(eva, [leo])):  # ainda são o Leo e a Eva
        what = "Alguém caiu enquanto outra falava, e quem falava saiu também."
        hint = "O sendall a quem caiu falha: um try em volta de cada sendall, e o laço continua."
        return house.because(what, hint)
    if wrong:
        what = "Alguém caiu enquanto o seu laço passava pela sala, e um vizinho ficou de fora."
        hint = (
            "Com a trava, mude a lista ou copie-a; sem ela, percorra a cópia: quem muda a lista "
            "que percorre pula alguém. E o try vai em volta de cada sendall, e não do laço, sem "
            "break."
        )
        return house.because(f"{wrong[0]} {what}", hint)
    if wrong := _heard(leo, [eva]):
        hint = "Quem se tira da lista é o que caiu, e não quem falava: sala.remove(outro), ou nada."
        hint = hint if wrong[1] == _EVERYONE else wrong[1]
        return house.because(f"Alguém caiu enquanto a Eva falava, e depois: {wrong[0]}", hint)
    return house.error


def _heard(
    speaker: socket.socket, others: list[socket.socket], text: bytes = _TEXT
) -> tuple[str, str] | None:
    """Diz o que houve, e a pista, se o que um diz não chega a todos os outros, uma só vez."""
    said = f"Um cliente disse {brief(text.decode())}"
    peers.send(speaker, text)
    for other in others:
        if (came := peers.receive(other, len(text))) != text:
            hint = _EVERYONE
            if len(came) == SENT_AT_ONCE:
                hint = LOST_BY_SEND
            elif not text.startswith(came):
                hint = _NOTHING_MORE
            elif not came and _hears_more(speaker):
                hint = "Quem o recebeu foi quem falou: é outro.sendall, se outro is not conn."
            return f"{said}; outro recebeu {brief(came)}.", hint
    for client in (speaker, *others):
        if again := _hears_more(client):
            if not text.startswith(again):
                return f"{said}, e veio também {again!r}…", _NOTHING_MORE
            who = "voltou a ele" if client is speaker else "chegou mais de uma vez a outro"
            return f"{said}, e isso {who} ({again!r}…).", "Cada um dos outros ouve, uma vez."
    return None


def _hears_more(client: socket.socket) -> bytes:
    """O que ainda vem, depois do que se esperava."""
    client.settimeout(_SILENCE)
    try:
        return client.recv(4)
    except OSError:
        return b""
