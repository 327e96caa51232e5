"""A verificação da lição 00: o que as lições precisam está nesta máquina?"""

import importlib.metadata
import re
import sys
from contextlib import suppress

from echo_lib import network
from echo_lib.checks.base import Check
from echo_lib.client import EchoClient
from echo_lib.server import EchoServer


def environment() -> list[Check]:
    """Confere o que as lições precisam, um item por linha."""
    needed = ["echo-lib"]
    with suppress(importlib.metadata.PackageNotFoundError):  # só na pasta, sem instalar
        needed = importlib.metadata.requires("echo-lib") or []
    packages = (_package(line) for line in needed if "extra ==" not in line)
    python = Check(sys.version_info >= (3, 11), "Python 3.11 ou mais novo")
    return [python, *packages, _loopback(), _port(), _lan()]


def _package(requirement: str) -> Check:
    name = re.split(r"[^\w.-]", requirement)[0]
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        how = "python3 kit.py aula (no Windows, py kit.py aula)"
        return Check(False, f"{name} não está instalado: abra o kit com {how}")
    return Check(True, f"{name} instalado")


def _loopback() -> Check:
    """Conversa desta máquina com ela mesma."""
    try:
        with EchoServer(port=0) as server, EchoClient(*server.address) as client:
            client.send("!")
    except OSError as error:
        blocked = "um antivírus ou firewall o bloqueia?"
        return Check(False, f"127.0.0.1 não responde: {blocked} ({error})")
    return Check(True, "Esta máquina conversa consigo mesma (127.0.0.1)")


def _port(wanted: int = 61840) -> Check:
    port = network.next_free_port(start=wanted)
    if port == wanted:
        return Check(True, f"A porta {wanted} do tutorial está livre")
    holder = network.port_holder(wanted) or "outro programa"
    with suppress(OSError):  # sem psutil nem netstat que respondam
        rows = [row for row in network.ports(wanted) if row.local[1] == wanted]
        if {row.state for row in rows} == {"TIME_WAIT"}:
            holder = "o sistema, que a guarda um tempo depois de usada"
    text = f"A porta {wanted} está com {holder}: as lições usarão a {port}, sem problema"
    return Check(True, text)


def _lan() -> Check:
    address = network.lan_address()
    if address:
        return Check(True, f"Endereço desta máquina na rede local: {address}")
    return Check(True, "Sem rede: as lições funcionam nesta máquina; na 07, faltará o colega")
