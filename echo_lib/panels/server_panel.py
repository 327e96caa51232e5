"""O servidor de eco numa célula: o estado, os clientes ao vivo, os acontecimentos, os botões."""

from html import escape
from time import monotonic, time
from typing import Any

import traitlets

from echo_lib.cell import close_on_rerun
from echo_lib.errors import Address, counted
from echo_lib.panels.polled import PolledPanel
from echo_lib.server import Client, EchoServer

_SHOWN_CLIENTS = 100  # os mais recentes
_SHOWN_ENTRIES = 200  # acontecimentos mostrados


class ServerPanel(PolledPanel, asset="server_panel"):
    """Painel de um EchoServer: iniciar, parar, ver quem está conectado, desconectar um.

    Argumentos:
        server: o servidor, parado ou já no ar.

    Erros:
        TypeError: não é um EchoServer.

    close() encerra o painel, e só ele: o servidor continua como está. Rodar a célula de novo
    encerra o painel anterior.
    """

    state = traitlets.Unicode().tag(sync=True)
    address = traitlets.Unicode().tag(sync=True)
    clients: traitlets.List[Any] = traitlets.List().tag(sync=True)
    hidden_clients = traitlets.Int().tag(sync=True)
    entries: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def __init__(self, server: EchoServer) -> None:
        if not isinstance(server, EchoServer):
            raise TypeError(
                f"esperava um EchoServer; recebi {server!r}. Escreva "
                "servidor = EchoServer() e depois ServerPanel(servidor)."
            )
        close_on_rerun(self.close)
        self._clock = time() - monotonic()  # de Client.since para a hora do relógio
        super().__init__(server)

    def __repr__(self) -> str:
        return f"ServerPanel({self.server!r})"

    def _still(self) -> str:
        host, port = self.server.address
        sign, state = ("◐", "escutando") if self.server.running else ("○", "parado")
        return f"<p><strong>Servidor de eco</strong>: {sign} {state}, {escape(host)}:{port}</p>"

    def _on_command(self, widget: Any, content: Any, buffers: Any) -> None:
        match content:
            case {"command": "start"}:
                self._work.put(self._start)
            case {"command": "stop"}:
                self._work.put(self._stop)
            case {"command": "disconnect", "host": str(host), "port": int(port)}:
                self._work.put(lambda: self._disconnect((host, port)))

    # Daqui para baixo, tudo roda na thread do painel.

    def _start(self) -> str:
        return "O servidor começou a escutar em {}:{}.".format(*self.server.start().address)

    def _stop(self) -> str:
        self.server.stop()
        return "O servidor parou."

    def _disconnect(self, address: Address) -> str:
        known = any(client.address == address for client in self.server.clients)
        self.server.disconnect(address)
        who = "{}:{}".format(*address)
        return f"Desconectado: {who}." if known else f"{who} já não estava conectado."

    def _picture(self) -> dict[str, Any]:
        running = self.server.running
        clients, entries = self.server.snapshot()  # parado, o registro já está inteiro
        # Depois de a máquina dormir, o relógio de Client.since já não diz a hora.
        entered = {entry.address: entry.time for entry in entries if entry.what == "entrou"}
        return {
            **super()._picture(),
            "state": _state(running, len(clients)),
            "address": "{}:{}".format(*self.server.address),
            "clients": [self._row(client, entered) for client in clients[-_SHOWN_CLIENTS:]],
            "hidden_clients": max(0, len(clients) - _SHOWN_CLIENTS),
            "entries": [
                [entry.number, entry.time, "{}:{}".format(*entry.address), entry.what]
                for entry in entries[-_SHOWN_ENTRIES:]
            ],
        }

    def _row(self, client: Client, entered: dict[Address, float]) -> list[Any]:
        since = entered.get(client.address, self._clock + client.since)
        return [*client.address, round(since, 3), client.messages, client.bytes]


def _state(running: bool, clients: int) -> str:
    if not running:
        return "parado"
    if not clients:
        return "escutando"
    return f"atendendo {counted(clients, 'cliente')}"
