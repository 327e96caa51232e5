"""O que se vê no notebook: os painéis. Só este pacote conhece ipywidgets e anywidget."""

from echo_lib.panels.client_panel import ClientPanel

__all__ = ["ClientPanel"]
