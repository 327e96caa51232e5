"""Descoberta: um servidor se anuncia na rede local, e quem procura o encontra, por mDNS.

Sem multicast (rede que filtra, máquina sem rede) nada trava nem reclama: anunciar não tem efeito
e procurar não encontra ninguém. Digitar o endereço sempre funciona.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from echo_lib.cell import close_on_rerun
from echo_lib.errors import Address, positive, printable
from echo_lib.network.local import (
    Interface,
    addresses,
    in_time,
    is_loopback,
    network_addresses,
)

if TYPE_CHECKING:
    from zeroconf import Zeroconf

SERVICE = "_echo._tcp.local."
MOST_FOUND = 50  # um anúncio é de quem quiser anunciar: a lista tem fim
_NAME_BYTES = 63  # o máximo de um rótulo (RFC 6763, seção 4.1.1)
_SHOWN_NAME = 40  # caracteres mostrados de um nome
_MOST_HOSTS = 4  # endereços de um mesmo anúncio
_PATIENCE = 1.0  # segundos, ao todo, para perguntar a quem não disse onde fica
_TIMEOUT = 10.0  # segundos para o zeroconf começar ou terminar
# Segundos de escuta antes de tomar um nome: quem acabou de dizer o seu só o repete depois de 1 s, a
# que o zeroconf soma até 0,3 (RFC 6762, seção 6). As perguntas pelo nome dão mais meio segundo.
_LISTENING = 1.2
_REFRESH = 3.0  # segundos entre duas conferências dos endereços desta máquina


class Found(NamedTuple):
    """Um servidor anunciado: o nome que ele se dá, já seguro para mostrar, e onde escuta."""

    name: str
    address: Address


class Announcement:
    """Anuncia na rede local que há um servidor de eco nesta máquina, até close().

    Argumentos:
        port: a porta em que ele escuta.
        name: o nome a mostrar a quem procura; se já houver um igual, ganha um número.
        interfaces: os IPv4 desta máquina por onde anunciar; se omitido, os da rede, e, quando
            eles mudam, os novos.

    Erros:
        ValueError: porta que não é um número positivo.

    Volta na hora: o anúncio se faz em segundo plano, e `name` diz com que nome ficou, ou None
    enquanto não ficou. Fonte: RFC 6762 (mDNS); RFC 6763 (DNS-SD).
    """

    def __init__(self, port: int, name: str, interfaces: Sequence[str] | None = None) -> None:
        positive("port", port, most=65535)
        self._follow = interfaces is None
        self.interfaces = _chosen(interfaces)
        self.name: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(port, name), name="Announcement", daemon=True
        )
        close_on_rerun(self.close)
        self._thread.start()

    def close(self) -> None:
        """Retira o anúncio. Pode ser chamado mais de uma vez."""
        self._stopping.set()
        self._thread.join(_TIMEOUT)

    def _run(self, port: int, name: str) -> None:
        """Anuncia nos endereços de agora; se eles mudam (outro Wi-Fi, outro DHCP), de novo."""
        while not self._stopping.is_set():
            # Numa thread sem laço asyncio: na principal, o zeroconf usaria o laço do kernel.
            zeroconf = _open(self.interfaces)
            try:
                if zeroconf is not None:
                    self._register(zeroconf, name, port)
                while not self._stopping.wait(_REFRESH) and self.name:  # sem nome: de novo
                    if self._wanted() != self.interfaces:
                        break
            finally:
                self.name = None
                if zeroconf is not None:
                    with suppress(Exception):
                        zeroconf.close()  # manda o adeus (RFC 6762, seção 10.1)
            self.interfaces = self._wanted()

    def _register(self, zeroconf: Zeroconf, name: str, port: int) -> None:
        from zeroconf import DNSQuestionType, ServiceBrowser

        with suppress(Exception):  # rede que caiu: o servidor continua, sem anúncio
            info = _info(name, port, self.interfaces)
            # O zeroconf pergunta se o nome já tem dono e pede a resposta por unicast, que pode ir a
            # outro programa desta máquina na porta 5353. Esta procura a traz também por multicast.
            with ServiceBrowser(
                zeroconf, SERVICE, handlers=[lambda **event: None], question_type=DNSQuestionType.QM
            ):
                if self._stopping.wait(_LISTENING):
                    return
                zeroconf.register_service(info, allow_name_change=True)
            self.name = info.get_name()

    def _wanted(self) -> list[str]:
        """Por onde anunciar agora; se o sistema não diz, por onde já se anuncia."""
        with suppress(Exception):
            return network_addresses() if self._follow else self.interfaces
        return self.interfaces


def discover(seconds: float = 3.0, interfaces: Sequence[str] | None = None) -> list[Found]:
    """Os servidores de eco que se anunciam na rede local.

    Argumentos:
        seconds: quanto esperar pelas respostas.
        interfaces: os IPv4 desta máquina por onde procurar; se omitido, os da rede.

    Retorna:
        list[Found], por nome, até 50; vazia se ninguém se anuncia ou a rede não deixa perguntar.
        Qualquer máquina pode anunciar qualquer coisa: confira o endereço com quem o anuncia.

    Erros:
        ValueError: `seconds` não é um número positivo.
    """
    positive("seconds", seconds, float)
    chosen = _chosen(interfaces)
    with suppress(Exception):  # noutra thread: na principal, o zeroconf usaria o laço do kernel
        return in_time(lambda: _browse(chosen, seconds), seconds + _TIMEOUT)
    return []


def _chosen(interfaces: Sequence[str] | None) -> list[str]:
    if interfaces is None:
        return network_addresses()
    return [interfaces] if isinstance(interfaces, str) else list(interfaces)


def _browse(interfaces: Sequence[str], seconds: float) -> list[Found]:
    zeroconf = _open(interfaces)
    if zeroconf is None:
        return []
    from zeroconf import DNSQuestionType, ServiceBrowser, ServiceStateChange

    names: queue.SimpleQueue[str] = queue.SimpleQueue()
    here = any(map(is_loopback, interfaces))

    def notice(name: str, state_change: ServiceStateChange, **others: Any) -> None:
        if state_change is not ServiceStateChange.Removed:
            names.put(name)

    try:
        # Resposta por multicast: por unicast, só um dos programas desta máquina que usam a porta
        # 5353 a receberia, e talvez não este.
        with ServiceBrowser(
            zeroconf, SERVICE, handlers=[notice], question_type=DNSQuestionType.QM
        ):  # sem este with, a thread dele ficaria para sempre
            return _collect(zeroconf, names, monotonic() + seconds, here)
    finally:
        zeroconf.close()


def _collect(
    zeroconf: Zeroconf, names: queue.SimpleQueue[str], deadline: float, here: bool
) -> list[Found]:
    """Os nomes que aparecerem até o prazo, e onde ficam; primeiro os que já disseram onde."""
    heard: dict[str, None] = {}
    while (left := deadline - monotonic()) > 0:
        with suppress(queue.Empty):
            heard[names.get(timeout=left)] = None
    found: dict[Address, Found] = {}
    for ask in (False, True):  # um anúncio que não diz onde fica não atrasa os outros
        for name in heard:
            patience = deadline + _PATIENCE - monotonic()
            if not ask or patience > 0:
                for server in _locate(zeroconf, name, min(0.3, patience) if ask else 0, here):
                    found.setdefault(server.address, server)
    return _fair(found.values())


def _fair(found: Iterable[Found]) -> list[Found]:
    """Até 50; se há mais, um de cada endereço por vez: quem se repete não esconde os outros."""
    turns: Counter[str] = Counter()
    ranked = []
    for server in sorted(found):
        ranked.append((turns[server.address[0]], server))
        turns[server.address[0]] += 1
    return sorted(server for _, server in sorted(ranked)[:MOST_FOUND])


def _locate(zeroconf: Zeroconf, name: str, seconds: float, here: bool) -> list[Found]:
    """Onde fica o servidor que se anunciou; um anúncio sem sentido não conta.

    Só quem procura nesta máquina (`here`) acha um 127.x.x.x: vindo da rede, seria o de outra.
    """
    from zeroconf import BadTypeInNameException, IPVersion, ServiceInfo

    try:
        info = ServiceInfo(SERVICE, name)
    except BadTypeInNameException:  # controles no nome, ou um nome comprido demais
        return []
    known = info.load_from_cache(zeroconf) or (seconds and info.request(zeroconf, seconds * 1000))
    if not known or not info.port:
        return []
    label = printable(name.removesuffix(f".{SERVICE}"))[:_SHOWN_NAME]
    mine = addresses()
    told = info.ip_addresses_by_version(IPVersion.V4Only)
    hosts = [str(host) for host in told if _is_host(host, mine)]
    hosts = _nearest([host for host in hosts if here or not is_loopback(host)], mine)
    return [Found(label, (host, info.port)) for host in hosts[:_MOST_HOSTS]]


def _nearest(hosts: list[str], mine: list[Interface]) -> list[str]:
    """Destes endereços de um servidor, os que esta máquina alcança sem roteador, se houver.

    Um servidor com adaptadores virtuais (Docker, WSL, VPN) anuncia também os endereços deles, e o
    mesmo 172.17.0.1 pode ser desta máquina.
    """
    own = {i.address for i in mine}
    near = [h for h in hosts if h not in own and any(i.reaches(h) for i in mine)]
    return near or hosts


def _is_host(host: Any, mine: list[Interface]) -> bool:
    """Se o endereço pode ser de uma máquina da rede local; um anúncio falso pode trazer outro.

    Há redes locais com endereços públicos, como as de muitas universidades, e há as do bloco
    100.64.0.0/10 (RFC 6598).
    """
    local = not host.is_global or any(i.reaches(str(host)) for i in mine)
    return bool(local and not (host.is_unspecified or host.is_reserved or host.is_multicast))


def _info(name: str, port: int, interfaces: Sequence[str]) -> Any:
    """O anúncio, na forma do zeroconf; o nome cabe num rótulo, sem pontos nem controles."""
    from zeroconf import ServiceInfo

    label = printable(name).replace(".", " ").strip() or "Eco"
    label = label.encode()[: _NAME_BYTES - 5].decode(errors="ignore")  # cabe um « (2)»
    # Um host só deste anúncio: dois servidores de mesmo nome, que o zeroconf muda para «nome-2»,
    # continuariam a dividir o host do nome primeiro, e um teria o endereço do outro.
    host = f"eco-{uuid4().hex}.local."
    name = f"{label}.{SERVICE}"
    return ServiceInfo(SERVICE, name, port=port, parsed_addresses=list(interfaces), server=host)


def _open(interfaces: Sequence[str]) -> Zeroconf | None:
    """Um Zeroconf nesses endereços, ou None se a rede não deixa."""
    import logging

    from zeroconf import IPVersion, Zeroconf

    # Um aviso seu sairia, de outra thread, numa célula qualquer.
    logging.getLogger("zeroconf").disabled = True
    if not interfaces:
        return None
    try:
        return Zeroconf(interfaces=list(interfaces), ip_version=IPVersion.V4Only)
    except Exception:  # sem multicast, ou a porta 5353 tomada com exclusividade
        return None
