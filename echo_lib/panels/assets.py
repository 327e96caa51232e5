"""O JavaScript e o CSS dos painéis: o que é de todos, seguido do que é de cada um."""

from pathlib import Path

_HERE = Path(__file__).parent


def script(name: str) -> str:
    """Um módulo ES com dom.js e o arquivo pedido: nada se baixa em execução."""
    return "\n".join((_HERE / f"{part}.js").read_text("utf-8") for part in ("dom", name))


def style(name: str) -> str:
    """O CSS comum e o do arquivo pedido."""
    return "\n".join((_HERE / f"{part}.css").read_text("utf-8") for part in ("panel", name))
