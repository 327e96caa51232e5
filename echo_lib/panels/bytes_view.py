"""Os caracteres de uma mensagem sobre os seus bytes, e o que um recv pequeno faz com eles."""

import codecs
import html
import unicodedata
from collections.abc import Callable
from typing import Any, NamedTuple

import traitlets

from echo_lib.cell import close_on_rerun
from echo_lib.errors import MOST_BYTES, counted, positive
from echo_lib.panels.assets import Panel

_SHOWN_BYTES = 256  # bytes mostrados; do resto diz-se só quantos são
_SHOWN_CUTS = 12  # caracteres cortados citados no resumo
_SHOWN_REPR = 40  # caracteres ou bytes da mensagem na representação do objeto
_CODEC = 'decodificador = codecs.getincrementaldecoder("utf-8")()'
_HEADINGS = ("recv", "bytes", "dados.decode()", "decodificador.decode(dados)")
_EMPTY = "Uma mensagem vazia não tem bytes: nada viaja, e não há o que decodificar."

Decoded = str | UnicodeDecodeError


class Chunk(NamedTuple):
    """Um recv: os bytes que trouxe e o que cada modo de decodificar diz deles.

    `decoded` é o resultado de `data.decode()`; `mended`, o do decodificador incremental: o texto
    ou a exceção. `held` são os bytes que o incremental guardou para o próximo recv.
    """

    data: bytes
    decoded: Decoded
    mended: Decoded
    held: bytes


class _BufferSize(traitlets.Int[int, int]):
    """Um inteiro que se recusa em português."""

    def validate(self, obj: Any, value: Any) -> int:
        return int(positive("buffer_size", value, most=MOST_BYTES))


class BytesView(Panel, asset="bytes_view"):
    """Caracteres sobre os seus bytes UTF-8, com um controle deslizante para o tamanho do recv.

    Argumentos:
        message: o texto (str) ou os bytes (bytes, bytearray, memoryview…) a mostrar.
        buffer_size: bytes que cada recv traz, de 1 a 1048576; muda com o controle.

    Erros:
        TypeError: a mensagem não é texto nem bytes.
        ValueError: o texto não pode virar UTF-8, ou buffer_size não é um inteiro positivo.

    Tudo o que a página mostra é calculado aqui, de uma vez, com o decode() do próprio Python:
    o controle funciona com o kernel ocupado ou encerrado. De uma mensagem comprida só o começo
    é mostrado. Depois de um erro, o decodificador incremental recomeça, com reset().
    Fonte: RFC 3629 (UTF-8) e docs.python.org/3/library/codecs.html#incrementaldecoder-objects.
    """

    buffer_size = _BufferSize(3).tag(sync=True)
    characters: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)
    tables: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    notice = traitlets.Unicode().tag(sync=True)

    def __init__(self, message: Any, buffer_size: int = 3) -> None:
        data = _to_bytes(message)
        self._shown = _beginning(data)
        whole = message if isinstance(message, str) else data
        self._repr = f"{whole[:_SHOWN_REPR]!r}{'…' if len(whole) > _SHOWN_REPR else ''}"
        characters = _characters(self._shown)
        super().__init__(
            buffer_size=buffer_size,
            characters=[_character(*pair) for pair in characters],
            tables=[_table(self._shown, characters, n + 1) for n in range(len(self._shown))],
            notice=_notice(len(data), len(self._shown)),
        )
        close_on_rerun(self.close)

    def __repr__(self) -> str:
        return f"BytesView({self._repr}, buffer_size={self.buffer_size})"

    @property
    def chunks(self) -> list[Chunk]:
        """O que cada recv traz com o buffer_size de agora."""
        return _receive(self._shown, self.buffer_size)

    def _still(self) -> str:
        """A tabela do buffer_size de agora, em HTML sem JavaScript."""
        if not self.tables:
            return f"<p>{_EMPTY}</p>"
        table = self.tables[min(self.buffer_size, len(self.tables)) - 1]
        head = "".join(f'<th scope="col" style="{_STILL}">{text}</th>' for text in _HEADINGS)
        body = "".join(_still_row(*row) for row in table["rows"])
        return (
            f'<table style="border-collapse: collapse"><caption style="text-align: left">'
            f"recv({self.buffer_size}): {html.escape(table['summary'])} "
            f"{self.notice}<br><code>{html.escape(_CODEC)}</code></caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


_STILL = "border: 1px solid; text-align: left; vertical-align: top"


def _still_row(number: str, data: str, decoded: str, mended: str, note: str) -> str:
    cells = [html.escape(text) for text in (data, decoded, mended)]
    cells[2] += f"<br>{html.escape(note)}" if note else ""
    columns = "".join(f'<td style="{_STILL}"><code>{cell}</code></td>' for cell in cells)
    return f'<tr><th scope="row" style="{_STILL}">{number}</th>{columns}</tr>'


def _to_bytes(message: Any) -> bytes:
    """Os bytes da mensagem, ou um erro que diz o que se esperava."""
    if isinstance(message, str):
        try:
            return message.encode()
        except UnicodeEncodeError as error:
            found = ascii(message[error.start])[1:-1]
            raise ValueError(
                f"esperava um texto que possa virar UTF-8; recebi um com {found} (meio emoji, um "
                f"surrogate) na posição {error.start}. Escreva o caractere inteiro."
            ) from error
    try:
        return bytes(memoryview(message))
    except TypeError:
        raise TypeError(
            f"esperava um texto (str) ou bytes; recebi {type(message).__name__}. "
            "Escreva, por exemplo, BytesView('olá')."
        ) from None


def _beginning(data: bytes) -> bytes:
    """O que se mostra: os primeiros bytes, sem partir o último caractere."""
    end = _SHOWN_BYTES
    while end > _SHOWN_BYTES - 3 and data[end : end + 1] and data[end] & 0xC0 == 0x80:
        end -= 1
    return data[:end]


def _notice(size: int, shown: int) -> str:
    """Quanto da mensagem ficou de fora."""
    if not size:
        return _EMPTY
    if size == shown:
        return ""
    total, missing = (f"{number:,}".replace(",", ".") for number in (size, size - shown))
    return (
        f"A mensagem tem {total} bytes: aqui estão só os primeiros {shown}, como se ela acabasse "
        f"ali. Os outros {missing} não são mostrados."
    )


def _characters(data: bytes) -> list[tuple[str, bytes]]:
    """Cada caractere com os seus bytes; o byte que não é de nenhum vem com o texto vazio."""
    # surrogateescape põe no lugar de cada byte inválido um surrogate, que UTF-8 nunca contém.
    pairs = [(c, c.encode(errors="surrogateescape")) for c in data.decode(errors="surrogateescape")]
    return [("" if "\ud800" <= c <= "\udfff" else c, code) for c, code in pairs]


def _character(char: str, code: bytes) -> dict[str, str]:
    """Um caractere como a página o mostra."""
    if not char:
        return {"label": "inválido", "bytes": code.hex(" "), "title": "byte que não é de UTF-8"}
    title = f"U+{ord(char):04X}, {counted(len(code), 'byte')}"
    return {"label": _label(char), "bytes": code.hex(" "), "title": title}


def _label(char: str) -> str:
    """O caractere sozinho: o que não se veria assim vira escape, ou ganha em que se apoiar."""
    if char == " ":
        return "␣"
    if not char.isprintable() or unicodedata.name(char, "").startswith("VARIATION SELECTOR"):
        return ascii(char)[1:-1]
    return f"◌{char}" if unicodedata.category(char).startswith("M") else char


def _receive(data: bytes, size: int) -> list[Chunk]:
    """O que cada recv(size) traz; se a mensagem acaba no meio de um caractere, também o fim."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    chunks = [_chunk(decoder, data[i : i + size]) for i in range(0, len(data), size)]
    if chunks and chunks[-1].held:
        chunks.append(_chunk(decoder, b"", final=True))
    return chunks


def _chunk(decoder: codecs.IncrementalDecoder, data: bytes, final: bool = False) -> Chunk:
    """Decodifica um recv dos dois modos."""
    decoded = _attempt(data.decode)
    mended = _attempt(lambda: decoder.decode(data, final))
    if isinstance(mended, UnicodeDecodeError):
        decoder.reset()  # senão ele tropeçaria para sempre nos bytes que guarda
    return Chunk(data, decoded, mended, decoder.getstate()[0])


def _attempt(decode: Callable[[], str]) -> Decoded:
    """O texto ou a exceção, sem o traceback, que seguraria variáveis vivas."""
    try:
        return decode()
    except UnicodeDecodeError as error:
        return error.with_traceback(None)


def _table(data: bytes, characters: list[tuple[str, bytes]], size: int) -> dict[str, Any]:
    """O resumo e as linhas da tabela para um tamanho de recv."""
    rows = [_row(number, chunk) for number, chunk in enumerate(_receive(data, size), 1)]
    return {"summary": _summary(-(-len(data) // size), _cut(characters, size)), "rows": rows}


def _row(number: int, chunk: Chunk) -> list[str]:
    """Um recv como linha: número, bytes, os dois resultados e o que o incremental guardou."""
    decoded, mended = map(_result, chunk[1:3])
    if not chunk.data:  # o recv que diz que a conexão acabou
        return ["fim", "b''", decoded, mended, "no fim: final=True"]
    note = f"guardou: {chunk.held.hex(' ')}" if chunk.held else ""
    if isinstance(chunk.mended, UnicodeDecodeError):
        note = "recomeçou: reset()"
    return [str(number), chunk.data.hex(" "), decoded, mended, note]


def _result(result: Decoded) -> str:
    """O texto como o Python o mostra, ou o erro nas palavras dele."""
    if isinstance(result, UnicodeDecodeError):
        return f"✗ UnicodeDecodeError: {result}"
    shown = repr(result)
    if result and unicodedata.category(result[0]).startswith("M"):  # sem letra em que se apoiar
        return f"{shown[0]}{ascii(result[0])[1:-1]}{shown[2:]}"
    return shown


def _cut(characters: list[tuple[str, bytes]], size: int) -> list[str]:
    """Os caracteres que começam num recv(size) e acabam noutro."""
    cut, start = [], 0
    for char, code in characters:
        end = start + len(code)
        if start // size != (end - 1) // size:
            cut.append(_label(char))
        start = end
    return cut


def _summary(calls: int, cut: list[str]) -> str:
    """Quantos recv e o que eles cortam, numa frase."""
    said = counted(calls, "chamada")
    if not cut:
        return f"{said}, nenhum caractere cortado."
    unit = "caractere cortado" if len(cut) == 1 else "caracteres cortados"
    more = " …" if len(cut) > _SHOWN_CUTS else ""
    return f"{said}, {len(cut)} {unit} ✂: {'  '.join(cut[:_SHOWN_CUTS])}{more}"
