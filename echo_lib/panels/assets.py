"""O JavaScript e o CSS dos painéis: o que é de todos, seguido do que é de cada um."""

from pathlib import Path

_HERE = Path(__file__).parent


def script(*names: str) -> str:
    """Um módulo ES com dom.js e os arquivos pedidos, nesta ordem: nada se baixa em execução."""
    return "\n".join((_HERE / f"{name}.js").read_text("utf-8") for name in ("dom", *names))


def style(*names: str) -> str:
    """O CSS comum e o de cada arquivo pedido."""
    return "\n".join((_HERE / f"{name}.css").read_text("utf-8") for name in ("panel", *names))
