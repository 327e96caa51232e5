"""Esta máquina na rede: seus endereços, suas portas em uso, a próxima porta livre."""

import ipaddress
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from random import randrange
from typing import Any, TypeVar

from echo_lib.errors import Address, annotate, valid_address, valid_port

T = TypeVar("T")
_TIMEOUT = 10.0  # segundos para o netstat responder
_TRIES = 200  # portas que next_free_port experimenta
_NETSTAT_ROW = re.compile(
    r"^\s*tcp(?:4|46)?\s+(?:\d+\s+\d+\s+)?([\d.]+|\*)[.:](\d+)\s+([\d.]+|\*)[.:](\d+|\*)\s+(\w+)",
    re.MULTILINE | re.IGNORECASE,
)
# Adaptadores com que esta máquina só fala com o que roda dentro dela.
_INSIDE = re.compile(
    r"docker|br-[0-9a-f]{12}|podman|cni-|virbr|lxcbr|lxdbr|vboxnet|vmnet|VirtualBox|VMware"
    r"|vEthernet \((Default Switch|WSL|nat)"
)
_STATES = {  # como o netstat do macOS e o do Windows os escrevem → como o psutil
    "LISTENING": "LISTEN",
    "FIN_WAIT_1": "FIN_WAIT1",
    "FIN_WAIT_2": "FIN_WAIT2",
    "SYN_RCVD": "SYN_RECV",
    "SYN_RECEIVED": "SYN_RECV",
}


@dataclass(frozen=True)
class Interface:
    """Um endereço IPv4 desta máquina. `lan` marca o que as outras máquinas devem usar."""

    name: str
    address: str
    lan: bool
    netmask: str = "255.255.255.255"

    def reaches(self, address: str) -> bool:
        """Diz se o endereço é desta mesma sub-rede: chega-se a ele sem roteador (RFC 950)."""
        network = ipaddress.ip_network(f"{self.address}/{self.netmask}", strict=False)
        return ipaddress.ip_address(address) in network

    def __str__(self) -> str:
        if is_loopback(self.address):
            note = "só esta máquina"
        else:
            note = "o da rede local" if self.lan else "outra rede ou adaptador virtual"
        return f"{self.address:<15}  {self.name} ({note})"


@dataclass(frozen=True)
class PortUse:
    """Uma linha do netstat: quem escuta, quem está conectado. `pid` é None se o sistema esconde."""

    local: Address
    peer: Address | None
    state: str
    pid: int | None = None

    @property
    def process(self) -> str:
        """O nome do processo; "" se o sistema o esconde ou ele já terminou."""
        import psutil

        try:
            return psutil.Process(self.pid).name() if self.pid else ""
        except (psutil.Error, OSError):  # há erros do Windows que o psutil não traduz
            return ""

    def __str__(self) -> str:
        local, peer = (f"{end[0]}:{end[1]}" if end else "*" for end in (self.local, self.peer))
        who = f"  {self.process} (PID {self.pid})" if self.pid else ""
        return f"{local:<21}  {peer:<21}  {self.state}{who}"


def is_loopback(host: str) -> bool:
    """Diz se só esta máquina alcança o endereço (RFC 1122, seção 3.2.1.3)."""
    return host == "localhost" or host.startswith("127.")


def lan_address() -> str | None:
    """O IPv4 pelo qual a rede local vê esta máquina, ou None se ela está sem rede.

    Pergunta ao sistema que endereço de origem ele usaria: connect num socket UDP escolhe a rota
    e não envia nada. 192.0.2.1 é reservado para documentação.

    Retorna:
        str, como "192.168.0.5", ou None.

    Fonte: RFC 5737; RFC 3927 (169.254); docs.python.org/3/library/socket.html (socket.connect).
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    # Sem rota para fora: uma rede só local, ou nenhuma.
    mine = (i for i in _ipv4() if not _INSIDE.match(i.name))
    outside = [i.address for i in mine if not is_loopback(i.address)]
    # Os 169.254, que a máquina se dá quando ninguém lhe dá outro, só servem entre si.
    return min(outside, key=lambda address: address.startswith("169.254."), default=None)


def addresses() -> list[Interface]:
    """Os endereços IPv4 desta máquina, o da rede local primeiro.

    Retorna:
        list[Interface]: o que ipconfig (Windows), ifconfig (macOS) e ip addr (Linux) mostram.

    Fonte: psutil.readthedocs.io (net_if_addrs, net_if_stats).
    """
    found = _ipv4(lan_address())
    return sorted(found, key=lambda i: (not i.lan, is_loopback(i.address), i.address))


def network_addresses() -> list[str]:
    """Os endereços por que a rede pode alcançar esta máquina, o da rede local primeiro."""
    return [i.address for i in addresses() if not is_loopback(i.address)]


def ports(port: int | None = None) -> list[PortUse]:
    """As portas TCP em uso nesta máquina, como netstat -an; só as de `port`, se dada.

    Argumentos:
        port: número da porta, local ou do outro lado.

    Retorna:
        list[PortUse], com processo e PID onde o sistema permite ver.

    Erros:
        OSError: nem psutil nem netstat puderam responder.
        ValueError: a porta não é uma.

    Fonte: psutil.readthedocs.io (net_connections); os estados são os da RFC 9293, seção 3.3.2.
    """
    import psutil

    if port is not None:
        port = valid_port(port)
    try:
        rows = [_port_use(row) for row in psutil.net_connections("tcp4") if row.laddr]
    except psutil.AccessDenied:  # macOS sem administrador
        rows = parse_netstat(_netstat())
    chosen = [r for r in rows if port in (None, r.local[1], r.peer[1] if r.peer else None)]
    return sorted(chosen, key=lambda r: (r.state != "LISTEN", r.local[1], r.peer or ("", 0)))


def listening(port: int) -> list[PortUse]:
    """Só as linhas de quem escuta na porta; nenhuma, se o sistema não diz."""
    with suppress(OSError):
        return [row for row in ports(valid_port(port)) if row.state == "LISTEN"]
    return []


def port_holder(port: int) -> str:
    """O processo que escuta na porta.

    Argumentos:
        port: número da porta.

    Retorna:
        str, como "python (PID 1234)"; "" se o sistema não diz.

    Erros:
        ValueError: a porta não é uma.
    """
    for row in listening(port):
        if row.pid:
            mine = ", este mesmo programa" if row.pid == os.getpid() else ""
            return f"{row.process or 'processo'} (PID {row.pid}{mine})"
    return ""


def resolve(address: Address, timeout: float) -> Address:
    """Traduz um nome em endereço IPv4, com prazo: sem rede, o sistema pode demorar minutos.

    Argumentos:
        address: o par (host, porta); um endereço em números volta como veio.
        timeout: segundos de espera.

    Erros:
        OSError: TimeoutError, ou socket.gaierror se o nome não existe.
        UnicodeError: o nome não pode ser de uma máquina.
    """
    host, port = address
    with suppress(OSError):
        socket.inet_pton(socket.AF_INET, host)
        return address
    asked = (host, port, socket.AF_INET, socket.SOCK_STREAM)
    found = in_time(lambda: socket.getaddrinfo(*asked), timeout)
    return str(found[0][4][0]), port


def in_time(work: Callable[[], T], timeout: float) -> T:
    """O que `work` devolve ou lança, feito noutra thread; TimeoutError, se passa do prazo."""
    from concurrent.futures import Future, wait  # traz o logging: só quando é preciso

    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except Exception as error:  # segue para quem espera
            answer.set_exception(error)

    threading.Thread(target=run, name="in_time", daemon=True).start()
    if not wait([answer], timeout).done:
        raise TimeoutError("o prazo acabou")
    return answer.result()


def next_free_port(host: str = "127.0.0.1", start: int = 61840) -> int:
    """A primeira porta livre a partir de `start`.

    Experimenta de verdade, com bind no mesmo endereço em que se vai escutar. Entre a resposta e
    o uso, outro programa ainda pode tomá-la: só o bind do próprio servidor decide.

    Argumentos:
        host: endereço onde se vai escutar.
        start: primeira porta a tentar, de 1 a 65535; com 0, o sistema escolhe.

    Retorna:
        int: o número da porta.

    Erros:
        ValueError: host ou porta inválidos.
        OSError: o endereço não é desta máquina, ou nenhuma das 200 portas seguintes está livre.

    Fonte: docs.python.org/3/library/socket.html (socket.bind); RFC 6335, seção 6.
    """
    host, start = valid_address(host, start)
    error: OSError | None = None
    for port in range(start, min(start + _TRIES, 65536)):
        try:
            # SocketType é o socket sem rastro: a prova não é da conversa de ninguém.
            with closing(socket.SocketType(socket.AF_INET, socket.SOCK_STREAM)) as probe:
                if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows: sem dividir a porta
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
                probe.bind((host, port))
                return int(probe.getsockname()[1])
        except OSError as failure:
            error = failure
            if isinstance(failure, socket.gaierror):  # o nome não existe em porta nenhuma
                break
    assert error is not None
    if isinstance(error, PermissionError) and start > 1023:  # um bloco que o Windows reservou
        return next_free_port(host, 0)
    annotate(error, (host, start))
    raise error


def spare_port() -> int:
    """Uma porta livre em todos os endereços, que o Linux não dá sozinho a ninguém.

    Quem a recebe só a usa depois de iniciar um processo. Nesse meio-tempo, a que o sistema escolhe
    (de 32768 a 60999, no Linux) ele pode dar a outro programa. Fonte: ip(7), ip_local_port_range.

    Retorna:
        int: o número da porta.

    Erros:
        OSError: nenhuma das 200 portas que experimenta está livre.
    """
    return next_free_port("0.0.0.0", randrange(61_841, 65_000))


def _ipv4(lan: str | None = None) -> list[Interface]:
    """Os endereços IPv4 dos adaptadores ligados; `lan` é o da rede local."""
    import psutil

    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    return [
        Interface(name, entry.address, entry.address == lan, entry.netmask or "255.255.255.255")
        for name, entries in psutil.net_if_addrs().items()
        for entry in entries
        if entry.family == socket.AF_INET and name in up
    ]


def _port_use(row: Any) -> PortUse:
    peer = (row.raddr.ip, row.raddr.port) if row.raddr else None
    return PortUse((row.laddr.ip, row.laddr.port), peer, row.status, row.pid)


def _netstat() -> str:
    """A saída de `netstat -an`, que não pede administrador, mas não diz o processo."""
    command = ["netstat", "-an"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT)
        return done.stdout.decode(errors="replace")  # há nomes de arquivo em qualquer codificação
    except subprocess.TimeoutExpired as error:
        raise OSError("o netstat não respondeu") from error


def parse_netstat(text: str) -> list[PortUse]:
    """Lê as linhas TCP de IPv4 de `netstat -an`, na forma do macOS, do Linux ou do Windows.

    Argumentos:
        text: a saída inteira do comando.

    Retorna:
        list[PortUse], sem PID: o netstat -an não o diz.
    """
    rows = []
    for host, port, peer_host, peer_port, state in _NETSTAT_ROW.findall(text):
        peer = (peer_host, int(peer_port)) if peer_port.isdecimal() and peer_port != "0" else None
        local = (host.replace("*", "0.0.0.0"), int(port))
        rows.append(PortUse(local, peer, _STATES.get(state, state)))
    return rows
