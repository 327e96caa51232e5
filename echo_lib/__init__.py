"""Biblioteca de apoio das lições: um servidor de eco, um cliente e o que os torna visíveis."""

from typing import Any

from echo_lib.client import EchoClient
from echo_lib.errors import EchoError, Explanation, explain
from echo_lib.server import EchoServer
from echo_lib.trace import Event, Trace, TracedSocket

__version__ = "0.1.0"
__all__ = [
    "BytesView",
    "ClassPanel",
    "ClientPanel",
    "EchoClient",
    "EchoError",
    "EchoServer",
    "Event",
    "Explanation",
    "SequenceDiagram",
    "ServerPanel",
    "Trace",
    "TracedSocket",
    "explain",
]


def __getattr__(name: str) -> Any:
    """Traz os painéis só quando pedidos: importá-los carrega o ipywidgets."""
    if name in __all__:
        from echo_lib import panels

        return getattr(panels, name)
    raise AttributeError(f"o módulo {__name__} não tem {name}")


def load_ipython_extension(ipython: Any) -> None:
    """%load_ext echo_lib: erros de socket explicados sob o traceback."""
    from echo_lib import magics

    magics.load(ipython)
