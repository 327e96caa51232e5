"""O que todo painel tem: o seu JavaScript e CSS, com o que é de todos, e um retrato parado."""

from pathlib import Path
from typing import Any

import anywidget

_HERE = Path(__file__).parent


def script(name: str) -> str:
    """Um módulo ES com dom.js e o arquivo pedido: nada se baixa em execução."""
    return "\n".join((_HERE / f"{part}.js").read_text("utf-8") for part in ("dom", name))


def style(name: str) -> str:
    """O CSS comum e o do arquivo pedido."""
    return "\n".join((_HERE / f"{part}.css").read_text("utf-8") for part in ("panel", name))


class Panel(anywidget.AnyWidget):
    """Um painel, com o .js e o .css de `asset`; quem o lê sem kernel vê `_still()`."""

    _mime = "text/html"  # o tipo do retrato
    _still: Any  # sem argumentos, devolve o retrato (str)

    def __init_subclass__(cls, asset: str = "", **options: Any) -> None:
        if asset:
            cls._esm, cls._css = script(asset), style(asset)
        super().__init_subclass__(**options)

    def close(self) -> None:
        """Encerra o painel, e o que o ipywidgets criou com ele."""
        super().close()
        if self.layout is not None:
            self.layout.close()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle: Any = super()._repr_mimebundle_(**options)
        data, metadata = bundle
        return {**data, self._mime: self._still()}, metadata
