"""O servidor e o cliente de eco prontos, no terminal; e o que há entre os dois.

    python -m echo_lib servidor [--host HOST] [--port PORTA]
    python -m echo_lib cliente [HOST] [PORTA]
    python -m echo_lib diagnostico [HOST] [PORTA]

Sem argumentos, host 127.0.0.1 e porta 61840. Com --host 0.0.0.0, a rede local alcança o servidor;
com --port 0, o sistema escolhe a porta. Ctrl+C encerra. O diagnóstico diz por que um cliente não
consegue conversar com esse endereço, e sai com 0 só se um servidor de eco respondeu.
"""

import argparse
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from socket import gethostname
from typing import NoReturn

from echo_lib.client import EchoClient
from echo_lib.errors import Address, counted, explain, printable, whole_letters
from echo_lib.network import Announcement, diagnose, is_loopback, network_addresses
from echo_lib.server import KEPT_BYTES, Client, EchoServer, exposure

_LINES = 50  # linhas mostradas de cada máquina por vez: quem inunda não esconde as outras
_REFRESH = 0.2  # segundos entre duas olhadas no servidor; também o que Ctrl+C espera no Windows


def main(arguments: Sequence[str] | None = None) -> int:
    """Executa o subcomando; devolve o código de saída do processo."""
    if sys.stdout is not None:
        sys.stdout.reconfigure(errors="replace", line_buffering=True)  # type: ignore[union-attr]
    if sys.stdin is not None:  # meia letra chega até aqui, e é recusada ao enviar
        sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except KeyboardInterrupt:
        print("\nEncerrado.")
        return 0
    except ModuleNotFoundError as error:  # outro Python, na pasta do kit
        print(
            f"Falta a este Python o pacote {error.name}: use o do kit, num terminal do JupyterLab "
            "(menu Arquivo → Novo → Terminal).",
            file=sys.stderr,
        )
        return 1
    except (OSError, UnicodeError, ValueError) as error:
        if isinstance(error, BrokenPipeError) and not hasattr(error, "__notes__"):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # quem lia a nossa saída foi embora
            return 1
        address = (options.host, options.port)
        print(explain(error, address) or error, file=sys.stderr)
        for note in getattr(error, "__notes__", [])[1:]:
            print(note, file=sys.stderr)
        return 1


def serve(options: argparse.Namespace) -> None:
    """Atende até Ctrl+C, mostrando quem chega, o que envia e quem sai."""
    with EchoServer(options.host, options.port) as server, ExitStack() as stack:
        host, port = server.address
        print(f"Escutando em {host}:{port}. Ctrl+C encerra.")
        if not is_loopback(host):
            only = None if host == "0.0.0.0" else [host]  # só se anuncia onde se escuta
            found = only or network_addresses()
            mine, *others = found or ["127.0.0.1"]
            alone = "" if found else " (sem rede: só esta máquina alcança)"
            print(f"Digite no cliente: {mine} {port}{alone}")
            if others:
                print(f"Se esse endereço não servir, tente: {', '.join(others)}")
            print(exposure(server))
            stack.callback(Announcement(port, f"Eco de {gethostname()}", only).close)
        report = _Report(server)
        while True:
            report.show()
            time.sleep(_REFRESH)


def check(options: argparse.Namespace) -> int:
    """Diz o que impede a conversa com um endereço; devolve 0 se nada impede."""
    diagnosis = diagnose(options.host, options.port)
    print(diagnosis)
    return 0 if diagnosis.ok else 1


def talk(options: argparse.Namespace) -> None:
    """Conversa com um servidor de eco até "sair", fim da entrada ou Ctrl+C."""
    with EchoClient(options.host, options.port) as client:
        print(f"Conectado a {options.host}:{options.port}. Digite sair para encerrar.")
        while (text := _ask()) != "sair":
            try:
                if text:
                    print(f"Eco: {printable(client.send(text))}")
            except UnicodeEncodeError:  # sobrou meia letra do que se apagou
                print("Não entendi o que foi digitado. Nada foi enviado: escreva de novo.")
    print("Conversa encerrada.")


def _ask() -> str:
    try:
        return input("Mensagem: ")
    except EOFError:  # Ctrl+D, ou Ctrl+Z no Windows
        return "sair"


class _Report:
    """O que houve num servidor desde a última vez; de cada máquina, até _LINES linhas por vez."""

    def __init__(self, server: EchoServer) -> None:
        self._server = server
        self._seen = 0  # o número do último acontecimento mostrado
        self._heard: dict[Address, tuple[int, int]] = {}  # os recv e os bytes já mostrados

    def show(self) -> None:
        """Mostra o que há de novo."""
        shown: Counter[str] = Counter()
        for host, line in self._news():
            shown[host] += 1
            if shown[host] <= _LINES:
                print(line)
        for host, lines in shown.items():
            if lines > _LINES:
                print(f"… {lines - _LINES} acontecimentos de {host} que não cabem na tela")

    def _news(self) -> Iterator[tuple[str, str]]:
        clients, log = self._server.snapshot()
        for entry in log:
            if entry.number > self._seen and entry.address != self._server.address:
                if entry.client:
                    yield from self._said(entry.client)
                    del self._heard[entry.address]
                what = entry.what
                if what == "entrou":
                    what = "conectou"
                    self._heard.pop(entry.address, None)  # a saída anterior pode não se ter visto
                host, port = entry.address
                yield host, f"{host}:{port} {what}." if port else f"{host} {what}."
        self._seen = log[-1].number if log else 0
        for client in clients:
            yield from self._said(client)
        here = {client.address for client in clients}
        self._heard = {who: heard for who, heard in self._heard.items() if who in here}

    def _said(self, client: Client) -> Iterator[tuple[str, str]]:
        messages, size = self._heard.get(client.address, (0, 0))
        self._heard[client.address] = client.messages, client.bytes
        if new := client.messages - messages:
            host, port = client.address
            sent = counted(client.bytes - size, "byte")
            how = f" em {new} recv; o último" if new > 1 else ""
            cut = len(client.last) >= KEPT_BYTES
            said = printable(whole_letters(client.last, after=cut)) + "…" * cut
            yield host, f"{host}:{port} enviou {sent}{how}: {said}"


class _Parser(argparse.ArgumentParser):
    """Um analisador de argumentos que responde em português."""

    def format_help(self) -> str:
        return __doc__ or ""

    def error(self, message: str) -> NoReturn:
        lacks = re.search(r"argument (\S+): expected one", message)
        strange = re.search(r"invalid choice: '(.*?)'|unrecognized arguments: (.*)", message)
        what = f"Falta o valor de {lacks[1]}." if lacks else "Não entendi o comando."
        if strange:
            what = f"Não conheço {printable(strange[strange.lastindex or 0])!r}."
        self.exit(2, f"{what}\n\n{__doc__}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser()
    commands = parser.add_subparsers(required=True)
    server = commands.add_parser("servidor")
    server.add_argument("--host", default="127.0.0.1")
    server.add_argument("--port", default=61840)
    server.set_defaults(run=serve)
    for name, run in (("cliente", talk), ("diagnostico", check)):
        command = commands.add_parser(name)
        command.add_argument("host", nargs="?", default="127.0.0.1")
        command.add_argument("port", nargs="?", default=61840)
        command.set_defaults(run=run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
