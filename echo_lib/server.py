"""O servidor de eco da lição 05, crescido: muitos clientes, numa só thread de fundo.

As chamadas são as do tutorial — socket, bind, listen, accept, recv(1024), send, close. O que
muda é quem decide a hora de cada uma: o módulo `selectors` avisa quais sockets estão prontos,
e por isso nenhuma chamada espera e nenhum cliente atrasa os demais.
"""

import builtins
import errno
import ipaddress
import math
import os
import select
import selectors
import socket
import sys
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import count
from time import monotonic, time
from typing import NamedTuple, Self

from echo_lib.cell import close_on_rerun
from echo_lib.errors import MOST, MOST_BYTES, Address, Positive, annotate, counted, valid_address
from echo_lib.network import is_loopback, next_free_port, port_holder, resolve
from echo_lib.network.local import listening

TIMEOUT = 5.0  # segundos: a resolução do nome em start(), o fim da thread em stop()
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_LAN_PER_ADDRESS = 32  # quando a rede enxerga o servidor, nenhum endereço o toma inteiro
# Segundos até se dizer quantas vezes mais foi recusado quem insiste, e desde então até a seguinte.
_RETELL, _INSISTS = 2.0, 25.0
_ACCEPT_PAUSE = 0.5  # segundos sem aceitar, quando faltam descritores ao sistema
# Quantas conexões o sistema segura até o accept; ele as corta em somaxconn (128 no macOS, 4096 no
# Linux). Com 128, um aluno que entra no meio de 10.000 conexões espera 1 s, o prazo do SYN perdido
# (RFC 6298, seção 2.1).
_BACKLOG = 4096
# Bytes que o sistema guarda de cada conexão, em cada sentido. Sem limite, chega a megabytes:
# 32 clientes que enviam e não leem tomavam 220 MB do sistema, e 230 ms ao serem desconectados.
_KERNEL_BUFFER = 65_536
# Na rede, o sistema pergunta a quem se cala se ainda existe: uma máquina que sumiu calada, sem se
# despedir (a tampa fechada, o Wi-Fi que caiu), sai em três minutos, e não no idle_timeout; se lhe
# deviam um eco, só quando o sistema desiste de o repetir. Segundos e vezes; no macOS, o primeiro se
# chama TCP_KEEPALIVE (RFC 9293, seção 3.8.4).
_KEEPALIVE = {"TCP_KEEPIDLE": 120, "TCP_KEEPALIVE": 120, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
# Clientes atendidos em cada rodada, no Linux; quem sobra vem na seguinte. Com 1000 clientes, uma
# rodada de todos toma mais do cache do processador do que ele tem, e rende 12 % menos.
_TURN = 64
_KEPT = 1000  # acontecimentos guardados em `log`
KEPT_BYTES = 200  # bytes que se guardam da primeira e da última mensagem de cada cliente
# Um laço em Python puro, noutra célula, segura o interpretador por até sys.getswitchinterval()
# a cada vez que o servidor acorda. Com os 5 ms de costume, 40 clientes a 10 mensagens por segundo
# esperam 0,5 a 1 s (p99); com 0,1 ms, de 6 a 13 ms, e o laço anda tanto quanto andava: o que ele
# perde, uns 15 %, é o trabalho do servidor (tests/benchmarks/busy.py). Um processo à parte não
# disputaria o interpretador, mas não pararia com o kernel nem apareceria no rastro. O valor
# anterior volta quando o último servidor para. O Windows espera milissegundos inteiros, e 0 seria
# não esperar (CPython, Python/condvar.h).
_SWITCH_INTERVAL = 0.001 if sys.platform == "win32" else 0.0001  # segundos
_CUT = "saiu: a conexão foi cortada"


@dataclass(frozen=True, slots=True)
class Client:
    """Retrato de um cliente conectado. `since` é time.monotonic(), em segundos.

    `messages` conta recv; `first` e `last` são o começo (200 bytes) do primeiro e do último.
    """

    address: Address
    since: float
    messages: int
    bytes: int
    first: builtins.bytes
    last: builtins.bytes


class Entry(NamedTuple):
    """Um acontecimento do servidor: quem entrou, quem saiu e por quê. Mensagens não entram aqui.

    `number` conta desde 1: os números que faltam são dos descartados. `time` é time.time(),
    em segundos. `address` é o do cliente ou, quando o servidor começa e para, o dele. `client` é o
    retrato final de quem saiu.
    """

    number: int
    time: float
    address: Address
    what: str
    client: Client | None = None


@dataclass(slots=True, eq=False)
class _Connection:
    """Uma conexão aceita: o socket, quem é, e o eco que ainda lhe devemos."""

    sock: socket.socket
    address: Address
    since: float
    active: float
    messages: int = 0
    received: int = 0
    first: bytes = b""
    last: bytes = b""
    owed: bytes = b""  # nunca mais que buffer_size: quem deve não é lido


class EchoServer:
    """Servidor de eco TCP numa thread de fundo: devolve a cada cliente os bytes que ele enviou.

    Argumentos:
        host: endereço onde escutar. "127.0.0.1" (padrão) só atende esta máquina.
        port: porta, de 0 a 65535; com 0 o sistema escolhe uma livre (veja `address`).
        buffer_size: o máximo de bytes de cada recv.
        max_clients: quantos clientes ao mesmo tempo; o seguinte é aceito e fechado em seguida.
            Nunca mais que 3/4 dos descritores que o sistema dá a este processo.
        max_clients_per_address: quantos de um mesmo endereço. O padrão é 32 para cada máquina da
            rede e sem limite próprio para esta, onde, como num JupyterHub, todos têm o mesmo.
        idle_timeout: segundos de silêncio até encerrar uma conexão; None espera para sempre.
            O tempo em que este programa, ou a máquina inteira, esteve parado não conta.

    Erros:
        ValueError: host, porta ou limite inválido.

    Os quatro limites podem mudar com o servidor no ar; o valor que não serve é recusado, e fica o
    de antes. Um cliente que envia e não lê deixa de ser lido até que leia: o servidor guarda no
    máximo buffer_size bytes por cliente. Fonte: docs.python.org/3/library/selectors.html; RFC 9293.
    """

    buffer_size = Positive(most=MOST_BYTES)
    max_clients, max_clients_per_address = Positive(), Positive()
    idle_timeout = Positive(float, optional=True)

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 61840,
        *,
        buffer_size: int = 1024,
        max_clients: int = 1000,
        max_clients_per_address: int | None = None,
        idle_timeout: float | None = 3600.0,
    ) -> None:
        self._host, self._port = valid_address(host, port)
        self.buffer_size, self.max_clients = buffer_size, max_clients
        self._spares_this_machine = max_clients_per_address is None
        if max_clients_per_address is None:
            max_clients_per_address = max_clients if is_loopback(self._host) else _LAN_PER_ADDRESS
        self.max_clients_per_address, self.idle_timeout = max_clients_per_address, idle_timeout
        self._connections: dict[int, _Connection] = {}
        self._per_address: Counter[str] = Counter()
        self._thread: threading.Thread | None = None
        self._paused = False
        self._held = threading.Event()  # a thread já está em pausa
        self._gone_messages = self._gone_bytes = 0  # dos clientes que já saíram
        self._refused: Counter[str] = Counter()  # recusas de cada host que ainda não se anotaram
        self._due: dict[str, float] = {}  # quando anotá-las, de quem insiste
        self._log: defaultdict[str, deque[Entry]] = defaultdict(deque)  # de cada host
        self._kept = 0  # quantos há em _log
        self._noting = threading.RLock()  # de quem conta, anota ou retrata
        self._numbers = count(1)
        self._leaving: deque[Address] = deque()
        self._abandoned: deque[str] = deque()
        self._blocked: set[str] = set()
        close_on_rerun(self.stop)  # outra célula, ou um painel, pode pôr no ar o que esta criou

    def __repr__(self) -> str:
        state = "escutando em" if self.running else "parado,"
        return f"<EchoServer {state} {self.address[0]}:{self.address[1]}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def address(self) -> Address:
        """O par (host, porta): o pedido, ou, depois de start(), o que o sistema deu."""
        return self._host, self._port

    @property
    def running(self) -> bool:
        """Verdadeiro enquanto a thread atende."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def clients(self) -> list[Client]:
        """Os clientes conectados agora, do mais antigo ao mais novo."""
        return self.snapshot()[0]

    @property
    def totals(self) -> tuple[int, int]:
        """Quantos recv e quantos bytes desde o começo, também de quem já saiu."""
        with self._noting:  # quem sai neste instante não é contado duas vezes
            now = list(self._connections.values())
            messages = self._gone_messages + sum(c.messages for c in now)
            return messages, self._gone_bytes + sum(c.received for c in now)

    @property
    def paused(self) -> bool:
        """Verdadeiro entre pause() e resume()."""
        return self._paused and self.running

    @property
    def blocked(self) -> set[str]:
        """Os endereços das máquinas bloqueadas."""
        return self._blocked.copy()

    @property
    def log(self) -> list[Entry]:
        """Até 1000 acontecimentos, do mais antigo ao mais novo.

        Acima disso, sai o mais antigo do endereço que tem mais: quem entra e sai sem parar só
        apaga o que é seu.
        """
        return self.snapshot()[1]

    def snapshot(self) -> tuple[list[Client], list[Entry]]:
        """`clients` e `log` do mesmo instante: de quem já não está num, o outro conta a saída."""
        with self._noting:
            now = list(self._connections.values())  # na ordem em que foram aceitas
            kept = [entry for entries in self._log.values() for entry in entries]
        return [*map(_portrait, now)], sorted(kept)  # o número vem primeiro

    def start(self) -> Self:
        """Faz bind e listen aqui, nesta thread, e começa a atender numa thread de fundo.

        Se este mesmo kernel já tem um EchoServer nesse endereço, ele é parado e substituído.

        Erros:
            OSError: endereço em uso por outro processo, inexistente ou proibido; a exceção
                traz a explicação como nota.
        """
        try:
            address = resolve(self.address, TIMEOUT)
            with _starting, ExitStack() as undo:
                if self.running:
                    return self
                close_on_rerun(self.stop)  # antes de escutar: para o que a execução anterior ligou
                self._open(address, undo)
                self._thread = threading.Thread(target=self._serve, name="EchoServer", daemon=True)
                _enter(self)
                undo.callback(_leave, self)
                try:
                    self._thread.start()
                    undo.pop_all()  # deu certo: quem fecha tudo, agora, é a thread
                except KeyboardInterrupt:  # start() esperava pela thread: é ela quem fecha tudo
                    undo.pop_all()
                    self._stopping = True
                    self._wake()
                    raise
        except (OSError, UnicodeError) as error:
            annotate(error, self.address, _way_out(error, self.address))
            raise
        return self

    def stop(self) -> None:
        """Para de escutar, fecha todas as conexões e espera a thread acabar.

        Pode ser chamado quantas vezes for preciso, de qualquer thread.

        Erros:
            TimeoutError: a thread não acabou em 5 segundos.
        """
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        self._stopping = True
        self._wake()
        thread.join(TIMEOUT)
        if thread.is_alive():
            raise TimeoutError(f"esperava o fim do servidor em {TIMEOUT} s, e ele ainda não parou.")

    def pause(self) -> None:
        """Deixa de aceitar, ler e responder, sem desconectar ninguém.

        O que os clientes enviam espera nos buffers do sistema, e o TCP os faz parar quando enchem
        (RFC 9293, seção 3.8.6). O silêncio da pausa não conta no idle_timeout. Quando pause()
        volta, ninguém mais é respondido.
        """
        self._held.clear()
        if self._set_paused(True, "em pausa"):
            self._held.wait(TIMEOUT)

    def resume(self) -> None:
        """Volta a atender; o que esperava é lido e respondido, em ordem."""
        self._set_paused(False, "de volta da pausa")

    def disconnect(self, address: Address) -> None:
        """Pede à thread que encerre a conexão de um cliente; se ele já saiu, nada acontece.

        Pode ser chamado de qualquer thread. O cliente lê o fim da conexão, ou, se havia bytes
        dele por ler, um RST (RFC 9293, seção 3.6.1).

        Argumentos:
            address: o par (host, porta) do cliente, como em `clients`.

        Erros:
            TypeError: não é um par.
            ValueError: host ou porta inválida.
        """
        if not isinstance(address, tuple) or len(address) != 2:
            raise TypeError(
                f"esperava o par (host, porta) de um cliente, como em clients; recebi {address!r}."
            )
        address = valid_address(*address)
        if self.running:
            self._leaving.append(address)
            self._wake()

    def abandon(self, host: str) -> None:
        """Pede à thread que encerre as conexões feitas a um endereço que esta máquina já não tem.

        Nada mais chega por elas; sem isto, sairiam em minutos, quando o sistema desistisse.

        Argumentos:
            host: o endereço que era desta máquina.
        """
        if self.running:
            self._abandoned.append(host)
            self._wake()

    def block(self, host: str) -> None:
        """Encerra as conexões de uma máquina e recusa as próximas, até unblock().

        Argumentos:
            host: o endereço em números, como em `clients`.

        Erros:
            ValueError: não é um endereço IPv4.
        """
        try:
            host = str(ipaddress.IPv4Address(str(host)))
        except ValueError:
            raise ValueError(
                f"esperava o endereço de uma máquina, em números, como em clients; recebi {host!r}."
            ) from None
        self._blocked.add(host)
        for client in self.clients:
            if client.address[0] == host:
                self.disconnect(client.address)  # mesmo que unblock() venha logo depois

    def unblock(self, host: str) -> None:
        """Volta a aceitar uma máquina; se ela não estava bloqueada, nada acontece.

        Argumentos:
            host: o endereço, como em `blocked`.
        """
        self._blocked.discard(str(host))

    def _set_paused(self, paused: bool, what: str) -> bool:
        """Diz se mudou."""
        if not self.running or self._paused == paused:
            return False
        self._paused = paused
        self._note(what, self.address)
        self._wake()
        return True

    def _open(self, address: Address, undo: ExitStack) -> None:
        """Abre a escuta, parando antes o EchoServer deste kernel que segure o endereço."""
        for other in _running.copy():
            if _conflict(other.address, address):
                other.stop()
        if sys.platform != "linux":
            _refuse_shared(address)
        # create_server liga SO_REUSEADDR onde ele é seguro, isto é, fora do Windows.
        self._listener = undo.enter_context(socket.create_server(address, backlog=_BACKLOG))
        for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):  # as conexões aceitas os herdam
            self._listener.setsockopt(socket.SOL_SOCKET, buffer, _KERNEL_BUFFER)
        if not is_loopback(address[0]):
            _ask_who_is_silent(self._listener)
        self._listener.setblocking(False)
        self._selector = undo.enter_context(selectors.DefaultSelector())
        self._poll = _poller(self._selector)
        undo.callback(self.__dict__.pop, "_poll")  # e com ele o epoll duplicado
        self._wake_receiver, self._wake_sender = map(undo.enter_context, socket.socketpair())
        self._wake_receiver.settimeout(None)  # socket.setdefaulttimeout() não vale para ele
        self._wake_sender.setblocking(False)
        self._selector.register(self._listener, _READ)
        self._selector.register(self._wake_receiver, _READ)
        self._host, self._port = self._listener.getsockname()[:2]
        self._leaving.clear()
        self._abandoned.clear()
        self._stopping = self._paused = False

    def _wake(self) -> None:
        """Acorda o select da thread; um cano cheio já a acordou."""
        with suppress(OSError):
            self._wake_sender.send(b"\0")

    # Daqui para baixo, tudo roda na thread de fundo.

    def _serve(self) -> None:
        self._note("começou a escutar", self.address)
        now = self._next_sweep = monotonic()
        poll = self._poll
        try:
            while not self._stopping:
                if self._paused:
                    now = self._hold()
                    continue
                ready = poll(self._next_sweep - now, _TURN)
                now = monotonic()
                self._echo(ready, now)
                if now >= self._next_sweep:
                    self._sweep(now)
        finally:
            self._close_all()

    def _echo(self, ready: Iterable[tuple[int, object]], now: float) -> None:
        """Uma rodada: de cada cliente pronto, um recv; contam-se as mensagens; e volta cada eco.

        É o caminho quente, num método só: uma chamada por eco custaria de 3 a 6 % do ritmo. E cada
        laço repete uma coisa só: depois de uma chamada de sistema, o cache do processador é do
        sistema, e alternar recv, contas e send custa 5 % ou mais.
        """
        find, buffer_size = self._connections.get, self.buffer_size
        turn: list[_Connection] = []
        for fd, _ in ready:
            connection = find(fd)
            if connection is None or connection.owed:
                self._attend(fd, connection, now)
                continue
            try:
                data = connection.sock.recv(buffer_size)
            except BlockingIOError:  # alarme falso: nada chegou
                continue
            except OSError:  # RST: o outro lado sumiu
                self._close(connection, _CUT)
                continue
            if data:
                connection.last = data
                turn.append(connection)
            else:  # fim: o outro lado não envia mais, e nada lhe devemos
                self._close(connection, "saiu: fechou a conexão")
        for connection in turn:
            if not connection.messages:
                connection.first = connection.last[:KEPT_BYTES]
            connection.messages += 1
            connection.received += len(connection.last)
            connection.active = now
        for connection in turn:
            data = connection.last
            try:
                sent = connection.sock.send(data)
            except BlockingIOError:  # o cliente não lê: o buffer de envio encheu
                sent = 0
            except OSError:
                self._close(connection, _CUT)
                continue
            size = len(data)
            if size > KEPT_BYTES:
                connection.last = data[:KEPT_BYTES]
            if sent < size:
                connection.owed = data[sent:]
                self._selector.modify(connection.sock, _WRITE, connection)

    def _attend(self, fd: int, connection: _Connection | None, now: float) -> None:
        """O que não é um eco: pagar o que se deve, aceitar, ou só acordar."""
        if connection is not None:  # quem deve só espera para escrever
            self._pay(connection)
        elif fd == self._listener.fileno():
            self._accept(now)
        else:  # o cano de _wake(); se o aviso era para uma execução anterior, gasta-o
            self._wake_receiver.recv(1024)
            self._next_sweep = min(now, self._next_sweep)  # quem sai, sai depois desta rodada

    def _pay(self, connection: _Connection) -> None:
        """Envia o que falta; só depois volta a ler deste cliente."""
        try:
            sent = connection.sock.send(connection.owed)
        except BlockingIOError:
            return
        except OSError:
            return self._close(connection, _CUT)
        connection.owed = connection.owed[sent:]
        if not connection.owed:
            self._selector.modify(connection.sock, _READ, connection)

    def _accept(self, now: float) -> None:
        """Aceita um cliente; acima do limite, fecha-o em seguida."""
        try:
            sock, address = self._listener.accept()
        except (BlockingIOError, ConnectionError):  # desistiu antes de ser aceito
            return
        except OSError:  # faltam descritores: sem esta pausa, o select giraria em falso
            self._selector.unregister(self._listener)
            self._next_sweep = now + _ACCEPT_PAUSE
            self._note("aceitação em pausa: há sockets ou arquivos abertos demais", self.address)
            return
        if not address:  # no macOS, accept pode entregar quem já desistiu, sem endereço
            return sock.close()
        host = sys.intern(address[0])
        if refusal := self._refusal(host, sock):
            if host in self._due:  # quem insiste não enche o registro
                self._refused[host] += 1
            else:
                self._note(refusal, (host, address[1]))
                self._due[host] = now + _RETELL
                self._next_sweep = min(now + _RETELL, self._next_sweep)
            return sock.close()
        sock.setblocking(False)
        # Sem o algoritmo de Nagle, um eco pequeno não espera o ACK do anterior (RFC 9293, 3.7.4).
        with suppress(OSError):  # no macOS, falha se o cliente já se foi
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(sock, (host, address[1]), now, now)
        self._per_address[host] += 1
        self._selector.register(sock, _READ, connection)
        with self._noting:
            self._connections[sock.fileno()] = connection
            self._note("entrou", connection.address)

    def _refusal(self, host: str, sock: socket.socket) -> str:
        """Por que não se aceita mais um cliente desse host; "" se há lugar."""
        if host in self._blocked:
            return "recusado: este endereço está bloqueado"
        if len(self._connections) >= min(self.max_clients, _spare_descriptors()):
            return (
                f"recusado: o servidor está cheio, com {counted(len(self._connections), 'cliente')}"
            )
        if self._per_address[host] < self.max_clients_per_address:
            return ""
        if self._spares_this_machine and _is_own(host, sock):
            return ""
        return f"recusado: este endereço já tem {counted(self._per_address[host], 'cliente')}"

    def _hold(self) -> float:
        """Em pausa: só _wake() acorda, e o silêncio de quem espera não conta."""
        self._held.set()
        self._wake_receiver.recv(1024)
        now = monotonic()
        for connection in self._connections.values():
            connection.active = now
        self._sweep(now)
        return now

    def _sweep(self, now: float) -> None:
        """Encerra quem deve sair e volta a aceitar, se a aceitação estava em pausa."""
        asked = {self._leaving.popleft() for _ in range(len(self._leaving))}
        lost = {self._abandoned.popleft() for _ in range(len(self._abandoned))}
        idle = self.idle_timeout  # lido uma vez: outra thread pode mudá-lo
        late, period = now - self._next_sweep, min(30.0, (idle or 120.0) / 4)
        for connection in list(self._connections.values()):
            if late > period:  # parado estava este processo, ou a máquina inteira
                connection.active = min(now, connection.active + late)
            if connection.address[0] in self._blocked:
                self._close(connection, "saiu: bloqueado por este servidor")
            elif connection.address in asked:
                self._close(connection, "saiu: desconectado por este servidor")
            elif lost and _own_host(connection.sock) in lost:
                self._close(connection, "saiu: o endereço desta máquina mudou")
            elif idle is not None and now - connection.active > idle:
                self._close(connection, f"saiu: ficou {_spoken(idle)} em silêncio")
        if self._listener not in self._selector.get_map():
            self._selector.register(self._listener, _READ)
        self._note_refusals(now)
        self._next_sweep = min([now + period, *self._due.values()])

    def _note_refusals(self, now: float) -> None:
        """Anota as recusas repetidas: as primeiras logo; as seguintes, de tempos em tempos."""
        for host in [host for host, due in self._due.items() if due <= now]:
            if times := self._refused.pop(host, 0):
                self._note(f"recusado mais {times} vez{'es' * (times > 1)}", (host, 0))
                self._due[host] = now + _INSISTS
            else:
                del self._due[host]

    def _note(self, what: str, address: Address, client: Client | None = None) -> None:
        with self._noting:
            entry = Entry(next(self._numbers), time(), address, what, client)
            self._log[address[0]].append(entry)
            self._kept += 1
            if self._kept > _KEPT:
                fullest = max(self._log, key=lambda host: len(self._log[host]))
                self._log[fullest].popleft()
                self._kept -= 1
                if not self._log[fullest]:  # mais de 1000 endereços, com um acontecimento cada
                    del self._log[fullest]

    def _close(self, connection: _Connection, why: str) -> None:
        self._selector.unregister(connection.sock)
        with self._noting:
            self._gone_messages += connection.messages
            self._gone_bytes += connection.received
            del self._connections[connection.sock.fileno()]
            self._note(why, connection.address, _portrait(connection))
        connection.sock.close()
        host = connection.address[0]
        self._per_address[host] -= 1
        if not self._per_address[host]:
            del self._per_address[host]

    def _close_all(self) -> None:
        left = list(self._connections.values())
        farewell = f" e desconectou {counted(len(left), 'cliente')}" if left else ""
        with self._noting:
            self._note_refusals(math.inf)
            self._due.clear()
            for connection in left:
                self._close(connection, "saiu: o servidor parou")
            self._note(f"parou de escutar{farewell}", self.address)
        self._selector.close()
        del self._poll  # e com ele o epoll duplicado
        with suppress(OSError):  # um processo filho pode ter uma cópia do socket de escuta
            self._listener.shutdown(socket.SHUT_RDWR)
        for sock in (self._listener, self._wake_receiver, self._wake_sender):
            sock.close()
        _leave(self)


def _ask_who_is_silent(listener: socket.socket) -> None:
    """Liga o keepalive, que as conexões aceitas também herdam."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        with suppress(AttributeError, OSError):  # cada sistema tem as suas opções
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _is_own(host: str, sock: socket.socket) -> bool:
    """Diz se quem se conectou está nesta mesma máquina."""
    return is_loopback(host) or host == _own_host(sock)


def _own_host(sock: socket.socket) -> str:
    """O endereço desta máquina a que alguém se conectou; "" se ele já se foi, no macOS."""
    with suppress(OSError):
        return str(sock.getsockname()[0])
    return ""


def exposure(server: EchoServer) -> str:
    """O que este servidor, aberto à rede, põe ao alcance de todos, e com que limites.

    Argumentos:
        server: o servidor, parado ou no ar.

    Retorna:
        str, uma ou duas frases por linha.
    """
    host, port = server.address
    local = is_loopback(host)
    who = "Só os programas desta máquina podem" if local else "Qualquer aparelho desta rede pode"
    where = f"à porta {port} desta máquina" if port else "à porta que o sistema escolher"
    idle = server.idle_timeout
    found = "" if local else " Enquanto aberto, o servidor se anuncia na rede (mDNS, UDP 5353)."
    silence = f"; quem fica {_spoken(idle)} em silêncio é desconectado" if idle else ""
    return (
        f"{who} conectar {where} e receber de volta o que enviar.\n"
        "Abrir esta porta não põe mais nada ao alcance: nem arquivos, nem o JupyterLab. O que se "
        f"envia viaja sem cifra: nada de senhas.{found}\n"
        f"Limites: {counted(server.max_clients_per_address, 'cliente')} por máquina, "
        f"{server.max_clients} ao todo{silence}."
    )


def _spoken(seconds: float) -> str:
    """«1 minuto», «90 segundos»…"""
    count, unit = (seconds / 60, "minuto") if seconds % 60 == 0 else (seconds, "segundo")
    return f"{count:g} {unit}{'s' * (count >= 2)}".replace(".", ",")


def _portrait(c: _Connection) -> Client:
    last = c.last[:KEPT_BYTES]  # no meio de uma rodada, ainda está inteira
    return Client(c.address, c.since, c.messages, c.received, c.first, last)


def _enter(server: EchoServer) -> None:
    """Conta mais um servidor no ar; o primeiro encurta a vez de cada thread."""
    global _usual_interval
    with _counting:
        if not _running:
            _usual_interval = sys.getswitchinterval()
            sys.setswitchinterval(min(_usual_interval, _SWITCH_INTERVAL))
        _running.append(server)


def _leave(server: EchoServer) -> None:
    """Conta um servidor a menos; o último devolve o valor de antes, se ninguém o mudou."""
    with _counting:
        _running.remove(server)
        if not _running and math.isclose(sys.getswitchinterval(), _SWITCH_INTERVAL):
            sys.setswitchinterval(_usual_interval)


def _poller(
    selector: selectors.DefaultSelector,
) -> Callable[[float, int], Iterable[tuple[int, object]]]:
    """O que espera, até tantos segundos, e devolve pares (descritor pronto, eventos).

    O segundo argumento é quantos pares devolver no máximo; só o epoll tem esse limite.

    No Linux, é o epoll do próprio seletor, duplicado porque cada um fecha o seu: assim não se
    monta um SelectorKey por evento, 0,3 µs dos 6 de um eco.
    Fonte: docs.python.org/3/library/select.html (epoll.fromfd).
    """
    if isinstance(selector, getattr(selectors, "EpollSelector", ())):
        return select.epoll.fromfd(os.dup(selector.fileno())).poll
    return lambda timeout, _: [(key.fd, events) for key, events in selector.select(timeout)]


def _spare_descriptors() -> int:
    """Quantos sockets se pode abrir sem deixar o kernel do notebook sem descritores."""
    if sys.platform == "win32":  # o select do Python vigia até 512; dois são da escuta e do aviso
        return 510
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else soft * 3 // 4


def _conflict(one: Address, other: Address) -> bool:
    """Diz se dois endereços de escuta disputam a mesma porta."""
    hosts = {one[0], other[0]}
    return one[1] == other[1] != 0 and (len(hosts) == 1 or "0.0.0.0" in hosts)


def _refuse_shared(address: Address) -> None:
    """Recusa a porta em que outro já escuta noutro endereço desta máquina, como o Linux recusa.

    O Windows e o macOS deixariam: um em 127.0.0.1 e outro em 0.0.0.0, na mesma porta, e quem
    conecta daqui falaria com quem não esperava.
    Fonte: learn.microsoft.com, «Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE»; setsockopt(2) do BSD.
    """
    if any(_conflict(row.local, address) for row in listening(address[1])):
        raise OSError(errno.EADDRINUSE, "outro programa já escuta nessa porta")


def _way_out(error: Exception, address: Address) -> str:
    """Para «endereço em uso»: quem o segura, se o sistema disser, e uma porta livre.

    No Windows, o Hyper-V e o WSL reservam blocos de portas altas, e nelas bind não é permitido.
    """
    reserved = isinstance(error, PermissionError) and address[1] > 1023
    if not reserved and getattr(error, "errno", None) != errno.EADDRINUSE:
        return ""
    holder = port_holder(address[1])
    who = f"Quem usa a porta {address[1]}: {holder}. " if holder else ""
    try:
        free = next_free_port(address[0], address[1])
    except OSError:  # daqui até 65535, nenhuma
        return f"{who}Deixe o sistema escolher uma porta livre: port=0."
    return f"{who}Porta livre mais próxima: {free} (port={free}). Ou deixe o sistema: port=0."


_starting = threading.Lock()
_running: list[EchoServer] = []
_counting = threading.Lock()
_usual_interval = sys.getswitchinterval()
