"""O que se vê no notebook: os painéis. Só este pacote conhece ipywidgets e anywidget."""

from echo_lib.panels.bytes_view import BytesView
from echo_lib.panels.class_panel import ClassPanel
from echo_lib.panels.client_panel import ClientPanel
from echo_lib.panels.sequence import SequenceDiagram
from echo_lib.panels.server_panel import ServerPanel
