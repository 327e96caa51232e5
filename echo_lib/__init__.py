"""Biblioteca de apoio das lições: um servidor de eco, um cliente e o que os torna visíveis."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from echo_lib.client import EchoClient
    from echo_lib.errors import EchoError, Explanation, explain
    from echo_lib.panels import BytesView, ClassPanel, ClientPanel, SequenceDiagram, ServerPanel
    from echo_lib.server import EchoServer
    from echo_lib.trace import Event, Trace, TracedSocket

__version__ = "0.1.0"
_NAMES = {
    "client": ["EchoClient"],
    "errors": ["EchoError", "Explanation", "explain"],
    "panels": ["BytesView", "ClassPanel", "ClientPanel", "SequenceDiagram", "ServerPanel"],
    "server": ["EchoServer"],
    "trace": ["Event", "Trace", "TracedSocket"],
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Traz cada nome só quando pedido: os painéis carregam o ipywidgets; o servidor, a rede."""
    if name in _NAMES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"o módulo {__name__} não tem {name}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def load_ipython_extension(ipython: Any) -> None:
    """%load_ext echo_lib: erros de socket explicados sob o traceback."""
    from echo_lib import magics

    magics.load(ipython)
