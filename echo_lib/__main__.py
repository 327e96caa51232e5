"""O servidor e o cliente de eco prontos, no terminal; e o que há entre os dois.

    python -m echo_lib servidor [--host HOST] [--port PORTA]
    python -m echo_lib cliente [HOST] [PORTA]
    python -m echo_lib diagnostico [HOST] [PORTA]

Sem argumentos, host 127.0.0.1 e porta 61840. Com --host 0.0.0.0, a rede local alcança o servidor;
com --port 0, o sistema escolhe a porta. Ctrl+C encerra. O diagnóstico diz por que um cliente não
consegue conversar com esse endereço, e sai com 0 só se um servidor de eco respondeu.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from socket import gethostname
from typing import NoReturn

from echo_lib.client import EchoClient
from echo_lib.errors import explain, printable
from echo_lib.network import Announcement, diagnose, lan_address
from echo_lib.server import EchoServer, exposure, is_loopback
from echo_lib.trace import Event, Trace

_LINES = 50  # linhas mostradas a cada leitura: quem inunda o servidor não inunda o terminal
_REFRESH = 0.2  # segundos entre duas leituras do rastro; também o que Ctrl+C espera no Windows


def main(arguments: Sequence[str] | None = None) -> int:
    """Executa o subcomando; devolve o código de saída do processo."""
    if sys.stdout is not None:
        sys.stdout.reconfigure(errors="replace", line_buffering=True)  # type: ignore[union-attr]
    options = _parser().parse_args(arguments)
    code = 0
    try:
        code = options.run(options) or 0
    except KeyboardInterrupt:
        print("\nEncerrado.")
    except (OSError, UnicodeError, ValueError) as error:
        if isinstance(error, BrokenPipeError) and not hasattr(error, "__notes__"):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # quem lia a nossa saída foi embora
            return 1
        address = (options.host, options.port)
        print(explain(error, address) or error, file=sys.stderr)
        for note in getattr(error, "__notes__", [])[1:]:
            print(note, file=sys.stderr)
        return 1
    return code


def serve(options: argparse.Namespace) -> None:
    """Atende até Ctrl+C, mostrando quem chega, o que envia e quem sai."""
    with Trace() as trace:
        server = EchoServer(options.host, options.port).start()
    with server, ExitStack() as stack:
        host, port = server.address
        print(f"Escutando em {host}:{port}. Ctrl+C encerra.")
        if not is_loopback(host):
            mine = lan_address() if host == "0.0.0.0" else host
            here = f"127.0.0.1 {port} (sem rede: só esta máquina alcança)"
            print(f"Digite no cliente: {f'{mine} {port}' if mine else here}\n{exposure(server)}")
            only = None if host == "0.0.0.0" else [host]  # só se anuncia onde se escuta
            stack.callback(Announcement(port, f"Eco de {gethostname()}", only).close)
        skipped = 0
        while True:
            lines = [line for event in trace.drain() if (line := _line(event))]
            lost, skipped = trace.skipped - skipped, trace.skipped
            if hidden := lost + len(lines[:-_LINES]):
                print(f"… {hidden} acontecimentos que não cabem na tela")
            for line in lines[-_LINES:]:
                print(line)
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
            if text:
                print(f"Eco: {printable(client.send(text))}")
    print("Conversa encerrada.")


def _ask() -> str:
    try:
        return input("Mensagem: ").strip()
    except EOFError:  # Ctrl+D, ou Ctrl+Z no Windows
        return "sair"


def _line(event: Event) -> str:
    """O que o terminal mostra de um evento; "" se nada."""
    # No macOS, accept pode entregar quem já desistiu, sem endereço.
    if event.role != "server" or event.error is not None or not event.peer:
        return ""
    who = f"{event.peer[0]}:{event.peer[1]}"
    if event.call == "accept":
        return f"{who} conectou."
    if event.call == "recv" and event.size:
        unit = "byte" if event.size == 1 else "bytes"
        return f"{who} enviou {event.size} {unit}: {printable(event.data[:200])}"
    return f"{who} saiu." if event.call == "close" else ""


class _Parser(argparse.ArgumentParser):
    """Um analisador de argumentos que responde em português."""

    def format_help(self) -> str:
        return __doc__ or ""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"Não entendi o comando.\n\n{__doc__}")


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
