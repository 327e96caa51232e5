"""A verificação da lição 00: o que as lições precisam está nesta máquina?"""

from __future__ import annotations

import importlib.metadata
import sys

from echo_lib import network
from echo_lib.checks.base import Check
from echo_lib.client import EchoClient
from echo_lib.server import EchoServer


def environment() -> list[Check]:
    """Confere o que as lições precisam, um item por linha."""
    packages = map(_package, ("jupyterlab", "ipywidgets", "anywidget"))
    python = Check(sys.version_info >= (3, 11), "Python 3.11 ou mais novo")
    return [python, *packages, _loopback(), _port(), _lan()]


def _package(name: str) -> Check:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Check(False, f"{name} não está instalado: abra o kit com python kit.py aula")
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


def _port() -> Check:
    port = network.next_free_port()
    if port == 61840:
        return Check(True, "A porta 61840 do tutorial está livre")
    holder = network.port_holder(61840) or "outro programa"
    return Check(True, f"A porta 61840 está com {holder}: as lições usarão a {port}, sem problema")


def _lan() -> Check:
    address = network.lan_address()
    if address:
        return Check(True, f"Endereço desta máquina na rede local: {address}")
    return Check(True, "Sem rede: as lições funcionam nesta máquina; na 07, faltará o colega")
