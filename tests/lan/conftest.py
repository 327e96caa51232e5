"""Outras máquinas de verdade: cada host é um espaço de rede do Linux, ligado a um comutador."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from echo_lib import capture
from tests.common import ROOT, TIMEOUT
from tests.conftest import Kernel, give_up, need, start_kernel, stop_kernel

# O anúncio leva cerca de um segundo para valer: pergunta até que alguém responda.
SEARCH = """
from time import monotonic
from echo_lib.network import discover
deadline, found = monotonic() + 15, []
while not found and monotonic() < deadline:
    found = discover(0.5)
for server in found:
    print(server.name, *server.address)
"""
FIELDS = ("sender", "flags", "seq", "ack", "data", "again", "lost", "damaged", "source", "target")


def system(*commands: str) -> None:
    """Roda comandos em ordem; o primeiro que falhar reprova o teste, com o que ele disse."""
    done = subprocess.run(
        ["sh", "-ec", "\n".join(commands)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr


def shape(folder: Path) -> list[tuple[object, ...]]:
    """Uma captura sem o que muda a cada gravação: os tempos e os números de verdade."""
    return [tuple(getattr(s, name) for name in FIELDS) for s in capture.read(folder)]


class Host:
    """Uma máquina da rede: o seu endereço, e os programas que rodam nela."""

    def __init__(self, switch: str, number: int, stack: ExitStack) -> None:
        self.name = f"{switch}-{number}"
        self.address = f"10.77.0.{number}"
        self._switch, self._port, self._stack = switch, f"porta{number}", stack
        self._prefix = ["ip", "netns", "exec", self.name]
        add_namespace(self.name, stack)
        system(
            f"ip -n {switch} link add {self._port} type veth peer name eth0 netns {self.name}",
            f"ip -n {switch} link set {self._port} master rede",
            f"ip -n {self.name} addr add {self.address}/24 dev eth0",
            f"ip -n {self.name} link set eth0 up",
        )
        self.plug()

    def ip(self, *commands: str) -> None:
        """Comandos `ip` nesta máquina, como "route add default via 10.77.0.1"."""
        system(*(f"ip -n {self.name} {command}" for command in commands))

    def set(self, option: str, value: object) -> None:
        """Muda uma opção do núcleo do sistema, como "net/ipv4/ip_forward"."""
        system(f"ip netns exec {self.name} sh -c 'echo {value} > /proc/sys/{option}'")

    @contextmanager
    def firewall(self, rule: str, hook: str = "input") -> Iterator[None]:
        """Por um tempo, uma regra do nftables para o que entra ("input") ou sai ("output")."""
        chain = f"add chain ip aula {hook} {{ type filter hook {hook} priority 0; }}"
        nft = f"ip netns exec {self.name} nft"
        system(f"{nft} 'add table ip aula; {chain}; add rule ip aula {hook} {rule}'")
        try:
            yield
        finally:
            system(f"{nft} flush ruleset")

    def dropped(self) -> int:
        """Quantos pacotes as regras com `counter` já pegaram."""
        command = ["ip", "netns", "exec", self.name, "nft", "list", "ruleset"]
        rules = subprocess.check_output(command, text=True, timeout=TIMEOUT)
        return sum(map(int, re.findall(r"counter packets (\d+)", rules)))

    def plug(self) -> None:
        """Liga o cabo desta máquina ao comutador."""
        system(f"ip -n {self._switch} link set {self._port} up")

    def unplug(self) -> None:
        """Tira o cabo."""
        system(f"ip -n {self._switch} link set {self._port} down")

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """Por um tempo, sem cabo."""
        self.unplug()
        try:
            yield
        finally:
            self.plug()

    def run(self, *arguments: object) -> tuple[str, str, int]:
        """Roda o Python até o fim; devolve o que ele mostra, o que reclama, e o código."""
        command = [*self._prefix, sys.executable, *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=TIMEOUT, cwd=ROOT
        )
        return done.stdout, done.stderr, done.returncode

    def spawn(self, terminal: Any, *arguments: object) -> Any:
        """Abre o Python num terminal desta máquina (veja a fixture `terminal`)."""
        program, *prefix = self._prefix
        return terminal(*prefix, sys.executable, *arguments, program=program)

    def kernel(self) -> Kernel:
        """Abre um kernel nesta máquina; fala-se com ele por sockets Unix, que não são da rede."""
        manager, client = start_kernel(ROOT, *self._prefix)
        self._stack.callback(stop_kernel, manager, client)
        return Kernel(client)


def add_namespace(name: str, stack: ExitStack) -> None:
    """Cria um espaço de rede, sem IPv6, e um DNS que não existe; tudo some no fim."""
    folder = Path("/etc/netns", name)  # o `ip netns exec` põe em /etc o que houver aqui
    stack.callback(system, f"rm -rf {folder}", "rmdir /etc/netns 2> /dev/null || true")
    system(
        f"mkdir -p {folder}",
        f"echo nameserver 192.168.0.1 > {folder}/resolv.conf",
        f"ip netns add {name}",
    )
    stack.callback(system, f"ip netns del {name}")
    ipv6 = "/proc/sys/net/ipv6/conf/all/disable_ipv6"
    system(
        f"ip netns exec {name} sh -ec 'test ! -e {ipv6} || echo 1 > {ipv6}'",
        f"ip -n {name} link set lo up",
    )


def need_namespaces() -> None:
    """Sem espaços de rede, o teste é pulado, ou reprovado onde nada pode faltar."""
    if sys.platform != "linux":
        pytest.skip("usa espaços de rede do Linux")
    need("ip")
    if subprocess.run([need("unshare"), "--net", "true"], stderr=subprocess.DEVNULL).returncode:
        give_up("só o root cria espaços de rede")


@contextmanager
def open_lan(size: int) -> Iterator[list[Host]]:
    """Uma rede local 10.77.0.0/24 com `size` máquinas, que não toca na rede de verdade."""
    need_namespaces()
    need("nft")
    with ExitStack() as stack:
        switch = f"eco-{uuid4().hex[:8]}"
        add_namespace(switch, stack)
        system(f"ip -n {switch} link add rede type bridge", f"ip -n {switch} link set rede up")
        yield [Host(switch, number, stack) for number in range(1, size + 1)]


@pytest.fixture
def two_hosts() -> Iterator[list[Host]]:
    with open_lan(2) as hosts:
        yield hosts
