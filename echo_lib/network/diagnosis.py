"""Por que não consigo conversar com (host, porta)? O que houve, as causas, o próximo passo."""

import errno
import ipaddress
import os
import socket
from contextlib import closing, suppress
from dataclasses import dataclass
from time import perf_counter

from echo_lib.errors import Address, milliseconds, positive, printable, valid_address
from echo_lib.network.local import addresses, is_loopback, listening, port_holder, resolve

PROBE = "diagnóstico "  # como começa a mensagem que um diagnóstico envia
_SHOWN = 60  # bytes mostrados de uma resposta que não é eco
_UNREACHABLE = {  # ninguém recusou: quem o diz é o roteador, ou esta máquina
    errno.ENETUNREACH: "no_route",
    errno.EHOSTUNREACH: "no_machine",
    getattr(errno, "EHOSTDOWN", errno.EHOSTUNREACH): "no_machine",
}

# tipo → (o que aconteceu, causas da mais comum para a menos, próximo passo).
_TEXTS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "echo": (
        "um servidor de eco respondeu em {time}. Está tudo certo.{who}",
        (),
        "conecte e converse.",
    ),
    "refused": (
        "a máquina {host} respondeu que ninguém escuta na porta {port}.",
        (
            "o servidor não foi iniciado, ou já terminou",
            "ele escuta em outra porta",
            "ele escuta só em 127.0.0.1, isto é, só atende a máquina dele",
            "o firewall dela recusa os pedidos, em vez de ignorá-los",
            "esse endereço é de outra máquina, e não da que tem o servidor",
        ),
        "na máquina do servidor, veja se ele está no ar, em que endereço e em que porta: "
        "netstat -an. Para atender a rede, ele precisa de bind em 0.0.0.0.",
    ),
    "refused_here": (
        "ninguém escuta na porta {port} de {host}, e {host} é esta mesma máquina.",
        (
            "o servidor ainda não foi iniciado aqui, ou já terminou",
            "o servidor está em outra máquina: o endereço tem de ser o dela",
            "ele escuta em outra porta",
        ),
        "se o servidor é seu, inicie-o; se é de outra pessoa, pergunte o IPv4 da máquina dela.",
    ),
    "listens_elsewhere": (
        "nesta máquina, a porta {port} atende em {elsewhere}, e não em {host}.",
        ("o servidor fez bind em um só dos endereços desta máquina",),
        "conecte a {elsewhere}, ou faça o bind do servidor em 0.0.0.0, que vale para todos.",
    ),
    "stuck": (
        "{host} é esta mesma máquina, e a porta {port} não aceitou a conexão.",
        (
            "quem escuta ali não chama accept, e a fila da escuta encheu",
            "o programa que escuta está travado, ou parado num depurador",
            "um firewall desta máquina impede",
        ),
        "veja se o servidor está vivo, reinicie-o e tente de novo.",
    ),
    "filtered": (
        "nenhuma resposta de {host} em {seconds} s: nem sim, nem não.",
        (
            "o firewall da máquina do servidor descarta os pedidos; no Windows, a permissão pode "
            "valer só em redes privadas, e esta estar marcada como pública",
            "o servidor não está no ar: o Windows, em vez de recusar, costuma calar",
            "o Wi-Fi isola os aparelhos uns dos outros",
            "nenhuma máquina ligada usa hoje esse endereço",
        ),
        "veja se o servidor está no ar e se o firewall da máquina dele permite o Python; se com "
        "outra máquina, por cabo, funciona, o que isola é o Wi-Fi.",
    ),
    "no_machine": (
        "nenhuma máquina desta rede responde pelo endereço {host}.",
        (
            "o endereço foi digitado errado, ou a máquina mudou de endereço",
            "ela está desligada, suspensa, ou em outra rede",
            "o Wi-Fi isola os aparelhos uns dos outros",
            "o firewall dela recusa os pedidos",
            "no macOS, falta a este programa a permissão Rede Local (Privacidade e Segurança)",
        ),
        "pergunte o IPv4 de agora, que ipconfig (Windows), ifconfig (macOS) ou ip addr (Linux) "
        "mostra; se é esse mesmo, veja o firewall de lá.",
    ),
    "no_route": (
        "esta máquina não tem caminho (rota) até {host}.",
        (
            "o Wi-Fi está desligado, ou o cabo está fora",
            "o endereço é de uma rede que esta máquina não conhece",
            "esta máquina só tem IPv6, e o endereço é IPv4",
        ),
        "conecte-se à mesma rede da máquina do servidor e tente de novo.",
    ),
    "other_subnet": (
        "{host} não respondeu, e não é da mesma rede que esta máquina ({mine}).",
        (
            "as duas máquinas estão em redes diferentes: uma no Wi-Fi de visitantes, por exemplo",
            "o endereço foi copiado de outro lugar, como o 192.168.0.12 do tutorial",
            "o endereço que se anotou é o de um adaptador virtual, ou de uma VPN",
        ),
        "ponha as duas máquinas na mesma rede e use o endereço que o servidor tem nela.",
    ),
    "any_address": (
        "{host} não é o endereço de uma máquina: não deve ser usado como destino.",
        (
            "0.0.0.0 só vale no bind do servidor, onde significa “todos os meus endereços”; no "
            "connect, uns sistemas o tomam por 127.0.0.1, e o Windows recusa",
            "endereços de várias máquinas, como 224.0.0.1 ou 255.255.255.255, não servem ao TCP",
        ),
        "use 127.0.0.1, se o servidor está nesta máquina, ou o IPv4 da máquina dele.",
    ),
    "port_zero": (
        "a porta 0 não serve de destino.",
        ("no bind do servidor, 0 pede ao sistema “uma porta livre qualquer”",),
        "use a porta que o servidor mostra ao começar; a do tutorial é 61840.",
    ),
    "name_not_found": (
        "o nome {host} não foi encontrado.",
        (
            "o nome foi digitado errado",
            "esta rede não tem quem traduza esse nome em endereço (DNS)",
        ),
        "use o endereço em números: quatro, de 0 a 255, como em 192.168.0.5.",
    ),
    "full": (
        "{host} aceitou a conexão e a fechou em seguida, sem responder.",
        (
            "o servidor está cheio: chegou ao limite de clientes, ao todo ou desta máquina",
            "quem cuida dele desconectou ou bloqueou esta máquina, ou ele está parando",
            "quem escuta ali não é um servidor de eco",
        ),
        "feche as outras conexões desta máquina e tente de novo; se ele continua a fechar, fale "
        "com quem cuida dele.",
    ),
    "silent": (
        "a conexão foi feita, mas nada voltou de {host} em {seconds} s.",
        (
            "o servidor atende um cliente por vez, e está com outro",
            "o servidor está em pausa, ou travado",
            "quem escuta ali não é um servidor de eco",
        ),
        "espere o outro cliente sair, ou pergunte a quem cuida do servidor.",
    ),
    "cut": (
        "voltaram de {host} só {came} dos {sent} bytes enviados.",
        (
            "o servidor lê ou envia uma vez só, e o resto da mensagem ficou para trás",
            "o servidor parou, ou a rede caiu, no meio da resposta",
            "quem escuta ali não é um servidor de eco",
        ),
        "tente de novo; se o servidor é seu, confira nele o laço do recv e o sendall.",
    ),
    "not_echo": (
        "quem atende em {host}:{port} não é um servidor de eco: respondeu {answer}.",
        ("a porta é de outro programa", "o endereço é de outra máquina"),
        "confira a porta e o endereço com quem iniciou o servidor.",
    ),
    "other": (
        "a conexão não foi feita: {error}.",
        ("um firewall desta própria máquina impede que ela saia",),
        "permita o Python no firewall desta máquina e tente de novo.",
    ),
}


@dataclass(frozen=True)
class Diagnosis:
    """O resultado de `diagnose`.

    `kind` é uma das chaves de _TEXTS; só "echo" é bom. `reasons` vem da causa mais comum para a
    menos comum.
    """

    address: Address
    kind: str
    happened: str
    reasons: tuple[str, ...]
    next_step: str

    @property
    def ok(self) -> bool:
        """Verdadeiro se um servidor de eco respondeu."""
        return self.kind == "echo"

    def __str__(self) -> str:
        title = "Causas prováveis, da mais comum para a menos:" if self.reasons[1:] else "Causa:"
        causes = [f"  {number}. {text}" for number, text in enumerate(self.reasons, 1)]
        return "\n".join(
            [
                f"O que aconteceu: {self.happened}",
                *([title, *causes] if causes else []),
                f"Próximo passo: {self.next_step}",
            ]
        )


def diagnose(host: str, port: int | str, timeout: float = 5.0) -> Diagnosis:
    """Tenta conversar com um servidor de eco e diz o que impede, se algo impede.

    Faz o que um cliente faria, connect, sendall, recv, com uma mensagem curta e sorteada.

    Argumentos:
        host: nome ou endereço IPv4.
        port: porta, de 0 a 65535.
        timeout: segundos que cada passo (nome, conexão, resposta) pode levar.

    Retorna:
        Diagnosis; `str()` dela é o texto para mostrar.

    Erros:
        ValueError: host, porta ou prazo que não têm a forma certa.

    Fonte: RFC 9293, seções 3.5.2, 3.10.7.1 (quem recusa) e 3.10.7.3; RFC 1122, seção 3.2.1.3
    (endereços).
    """
    address = valid_address(host, port)
    positive("timeout", timeout, float)
    if address[1] == 0:
        return _result(address, "port_zero")
    try:
        number = resolve(address, timeout)
    except (OSError, UnicodeError):
        return _result(address, "name_not_found")
    target = ipaddress.ip_address(number[0])
    if target.is_unspecified or target.is_multicast or number[0] == "255.255.255.255":
        return _result(address, "any_address")
    # SocketType é o socket sem rastro: esta conversa não é de ninguém.
    with closing(socket.SocketType(socket.AF_INET, socket.SOCK_STREAM)) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect(number)
        except OSError as error:
            return _not_connected(address, number, error, timeout)
        itself = False
        with suppress(OSError):  # no macOS, falha se o outro lado já a derrubou
            itself = sock.getsockname() == number
        if itself:  # ligou-se a si mesmo: ninguém escuta
            return _not_connected(address, number, ConnectionRefusedError(), timeout)
        return _talk(sock, address, number[0], timeout)


def _not_connected(address: Address, number: Address, error: OSError, timeout: float) -> Diagnosis:
    """A conexão não foi feita; o erro e o lugar do endereço dizem por quê."""
    mine = addresses()
    here = is_loopback(number[0]) or any(number[0] == i.address for i in mine)
    if isinstance(error, ConnectionRefusedError):
        return _refused_here(address, number) if here else _result(address, "refused")
    if here:
        return _result(address, "stuck")
    neighbours = [i for i in mine if not is_loopback(i.address)]
    if not neighbours or not _has_route(number):
        return _result(address, "no_route")
    away = not any(i.reaches(number[0]) for i in neighbours)
    kind = "filtered" if isinstance(error, TimeoutError) else _UNREACHABLE.get(error.errno, "other")
    if kind != "other" and away and not ipaddress.ip_address(number[0]).is_global:
        return _result(address, "other_subnet", mine=neighbours[0].address)
    said = error.strerror or error
    return _result(address, kind, seconds=_decimal(timeout), error=said)


def _has_route(number: Address) -> bool:
    """Se esta máquina sabe por onde mandar; connect num socket UDP escolhe a rota e não envia."""
    with closing(socket.SocketType(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(number)
        except OSError as error:
            return error.errno != errno.ENETUNREACH
    return True


def _decimal(seconds: float) -> str:
    return f"{seconds:g}".replace(".", ",")


def _refused_here(address: Address, number: Address) -> Diagnosis:
    """Ninguém nesta porta deste endereço; talvez em outro endereço desta mesma máquina."""
    hosts = [row.local[0] for row in listening(number[1])]
    if {number[0], "0.0.0.0"} & set(hosts):  # no Windows, uma fila cheia recusa
        return _result(address, "stuck")
    if hosts:
        return _result(address, "listens_elsewhere", elsewhere=hosts[0])
    return _result(address, "refused_here")


def _talk(sock: socket.SocketType, address: Address, host: str, timeout: float) -> Diagnosis:
    """A conexão foi feita: o que volta é eco?"""
    probe = f"{PROBE}{os.urandom(4).hex()}\n".encode()
    answer, start = b"", perf_counter()
    try:
        sock.sendall(probe)
        while probe.startswith(answer) and len(answer) < len(probe):
            sock.settimeout(max(0.001, start + timeout - perf_counter()))
            piece = sock.recv(1024)
            if not piece:
                break
            answer += piece
    except TimeoutError:
        if not answer:
            return _result(address, "silent", seconds=_decimal(timeout))
    except OSError:  # RST: fechou sem ler
        pass
    if answer == probe:
        return _echo(address, host, milliseconds(perf_counter() - start))
    if not answer:
        return _result(address, "full")
    if probe.startswith(answer):
        return _result(address, "cut", came=len(answer), sent=len(probe))
    return _result(address, "not_echo", answer=f"“{printable(answer[:_SHOWN])}”")


def _echo(address: Address, host: str, time: str) -> Diagnosis:
    """Respondeu. Num servidor compartilhado, a porta pode ser a de um colega: diz de quem é."""
    here = is_loopback(host) or any(host == i.address for i in addresses())
    holder = port_holder(address[1]) if here else ""
    who = f" Quem atende: {holder}, nesta máquina." if holder else ""
    return _result(address, "echo", time=time, who=who)


def _result(address: Address, kind: str, **values: object) -> Diagnosis:
    happened, reasons, next_step = _TEXTS[kind]
    fields = {"host": printable(address[0]), "port": address[1], **values}
    texts = [text.format(**fields) for text in (happened, *reasons, next_step)]
    return Diagnosis(address, kind, texts[0], tuple(texts[1:-1]), texts[-1])
