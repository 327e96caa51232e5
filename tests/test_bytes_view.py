"""BytesView sem navegador: os cortes, o que cada decodificador diz, e a tabela parada."""

import codecs
import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echo_lib import BytesView

MESSAGE = "olá, ção 🗣️"
SHOWN = 256
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
BYTES = st.binary(min_size=1, max_size=300) | TEXTS.map(str.encode)
SIZES = st.integers(1, 400)
SURROGATE = "\udcff"


class Table(HTMLParser):
    """Lê as células de uma tabela HTML; guarda também que elementos viu."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.tags = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows:
            self.rows[-1][-1] += data


def outcome(decode, *arguments):
    """O texto, ou a mensagem do erro, como o Python os dá."""
    try:
        return decode(*arguments)
    except UnicodeDecodeError as error:
        return str(error)


def shown_rows(view):
    return view.tables[min(view.buffer_size, len(view.tables)) - 1]["rows"]


def still(view):
    return view._repr_mimebundle_()[0]["text/html"]


def test_characters_stand_over_their_bytes():
    found = [(c["label"], c["bytes"], c["title"]) for c in BytesView("aç €🗣️").characters]
    assert found == [
        ("a", "61", "U+0061, 1 byte"),
        ("ç", "c3 a7", "U+00E7, 2 bytes"),
        ("␣", "20", "U+0020, 1 byte"),
        ("€", "e2 82 ac", "U+20AC, 3 bytes"),
        ("🗣", "f0 9f 97 a3", "U+1F5E3, 4 bytes"),
        ("\\ufe0f", "ef b8 8f", "U+FE0F, 3 bytes"),
    ]


def test_what_cannot_be_seen_alone_is_an_escape_or_gets_a_circle():
    labels = [
        c["label"] for c in BytesView("\n\0\x1b\x85\u202e\u200d\ufeff\u0301\U000e0100").characters
    ]
    expected = [r"\n", r"\x00", r"\x1b", r"\x85", r"\u202e", r"\u200d", r"\ufeff"]
    assert labels == [*expected, "◌\u0301", r"\U000e0100"]


@pytest.mark.parametrize("data", [b"\xff", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf0\x9f\x97"])
def test_bytes_that_are_not_utf8_stand_alone_and_say_so(data):
    view = BytesView(b"a" + data)
    assert [(c["label"], c["bytes"]) for c in view.characters[1:]] == [
        ("inválido", f"{byte:02x}") for byte in data
    ]
    assert "nenhum caractere cortado" in view.tables[0]["summary"]


def test_cut_letter_is_refused_by_decode_and_mended_by_the_incremental_decoder():
    view = BytesView("ção", buffer_size=3)
    assert shown_rows(view) == [
        [
            "1",
            "c3 a7 c3",
            "✗ UnicodeDecodeError: 'utf-8' codec can't decode byte 0xc3 in position 2: "
            "unexpected end of data",
            "'ç'",
            "guardou: c3",
        ],
        [
            "2",
            "a3 6f",
            "✗ UnicodeDecodeError: 'utf-8' codec can't decode byte 0xa3 in position 0: "
            "invalid start byte",
            "'ão'",
            "",
        ],
    ]


@pytest.mark.parametrize(
    ("size", "summary"),
    [
        (1, "19 chamadas, 5 caracteres cortados ✂: á  ç  ã  🗣  \\ufe0f"),
        (4, "5 chamadas, nenhum caractere cortado."),
        (5, "4 chamadas, 1 caractere cortado ✂: 🗣"),
        (19, "1 chamada, nenhum caractere cortado."),
    ],
)
def test_summary_says_how_many_calls_and_what_they_cut(size, summary):
    assert BytesView(MESSAGE).tables[size - 1]["summary"] == summary


def test_a_long_list_of_cuts_is_shortened():
    summary = BytesView("ç" * 50).tables[0]["summary"]
    assert summary == "100 chamadas, 50 caracteres cortados ✂: " + "  ".join("ç" * 12) + " …"


@given(BYTES, SIZES)
def test_chunks_are_the_message_and_each_is_what_python_says(data, size):
    view = BytesView(data, size)
    shown = b"".join(bytes.fromhex(c["bytes"]) for c in view.characters)
    chunks = view.chunks
    assert data.startswith(shown) and b"".join(chunk.data for chunk in chunks) == shown
    assert all(len(chunk.data) == size for chunk in chunks[: len(shown) // size])
    assert [str(chunk.decoded) for chunk in chunks] == [
        outcome(chunk.data.decode) for chunk in chunks
    ]


@given(TEXTS, SIZES)
def test_incremental_decoder_gives_back_the_whole_text(text, size):
    chunks = BytesView(text, size).chunks
    shown = b"".join(chunk.data for chunk in chunks).decode()
    assert text.startswith(shown) and "".join(chunk.mended for chunk in chunks) == shown
    assert not chunks[-1].held and max(len(chunk.held) for chunk in chunks) <= 3


@given(BYTES, SIZES)
def test_incremental_decoder_is_pythons_and_restarts_after_an_error(data, size):
    decoder = codecs.getincrementaldecoder("utf-8")()
    for chunk in BytesView(data, size).chunks:
        expected = outcome(decoder.decode, chunk.data, not chunk.data)
        assert str(chunk.mended) == expected
        if isinstance(chunk.mended, UnicodeDecodeError):
            decoder.reset()
        assert chunk.held == decoder.getstate()[0]


@given(BYTES, SIZES)
def test_page_and_still_table_agree_with_the_chunks_and_hide_nothing(data, size):
    view = BytesView(data, size)
    rows = shown_rows(view)
    assert [bytes.fromhex(row[1]) for row in rows if row[0] != "fim"] == [
        chunk.data for chunk in view.chunks if chunk.data
    ]
    assert [row[2].startswith("✗") for row in rows] == [
        isinstance(chunk.decoded, UnicodeDecodeError) for chunk in view.chunks
    ]
    assert all(text.isprintable() for row in rows for text in row)
    table = Table(still(view))
    assert table.rows[1:] == [[*row[:3], row[3] + row[4]] for row in rows]


def test_message_that_ends_inside_a_character_says_so_at_the_end():
    view = BytesView(b"ol\xc3", 2)
    assert [chunk.data for chunk in view.chunks] == [b"ol", b"\xc3", b""]
    number, data, decoded, mended, note = shown_rows(view)[-1]
    assert (number, data, decoded, note) == ("fim", "b''", "''", "no fim: final=True")
    assert mended.endswith("position 0: unexpected end of data")


def test_mark_without_its_letter_is_written_as_an_escape():
    assert shown_rows(BytesView("🗣️", 4))[1][2:4] == [r"'\ufe0f'"] * 2
    assert shown_rows(BytesView("e\u0301'", 1))[2][3] == r"'\u0301'"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_like_object_will_do(kind):
    assert BytesView(kind(b"a\xc3\xa7")).characters == BytesView("aç").characters
    assert repr(BytesView(kind(b"\xff"))) == r"BytesView(b'\xff', buffer_size=3)"


@pytest.mark.parametrize("message", [5, None, ["a"], 1.5])
def test_what_is_neither_text_nor_bytes_is_refused(message):
    expected = f"esperava um texto (str) ou bytes; recebi {type(message).__name__}. "
    with pytest.raises(TypeError, match=re.escape(expected)):
        BytesView(message)


def test_text_with_half_an_emoji_is_refused():
    with pytest.raises(ValueError, match=r"recebi um com \\udcff .* na posição 2\."):
        BytesView("oi" + SURROGATE)


@pytest.mark.parametrize("size", [0, -1, 2.0, "3", None, True, 2**20 + 1])
def test_bad_size_is_refused_at_first_and_later(size):
    view = BytesView("ção", 2)
    for attempt in (lambda: BytesView("a", size), lambda: setattr(view, "buffer_size", size)):
        with pytest.raises(ValueError, match=r"esperava buffer_size inteiro, .*; recebi .*"):
            attempt()
    with pytest.raises(ValueError, match="esperava buffer_size"):
        view.set_state({"buffer_size": size})  # o que a página mandaria
    assert view.buffer_size == 2


def test_page_moves_the_slider_and_python_sees_it():
    view = BytesView("ção")
    view.set_state({"buffer_size": 2})
    assert view.buffer_size == 2 and view.chunks[0].data == "ç".encode()
    assert repr(view) == "BytesView('ção', buffer_size=2)"


def test_empty_message_has_a_message_of_its_own():
    for message in ("", b""):
        view = BytesView(message)
        assert view.notice.startswith("Uma mensagem vazia não tem bytes")
        assert view.tables == view.characters == view.chunks == []
        assert view.notice in still(view)


def test_long_message_shows_its_beginning_and_says_how_much_is_missing():
    view = BytesView("a" + "ç" * 2**19, buffer_size=1024)
    assert view.notice.startswith("A mensagem tem 1.048.577 bytes: aqui estão só os primeiros 255")
    assert "Os outros 1.048.322 não são mostrados." in view.notice and view.notice in still(view)
    assert len(view.tables) == 255 and view.characters[-1]["label"] == "ç"
    assert len(BytesView(b"\x80" * 10_000).tables) == SHOWN - 3
    assert BytesView("a" * SHOWN).notice == ""
    assert len(repr(view)) < 80 and len(json.dumps(view.tables)) < 2**20


def test_notebook_without_a_kernel_gets_a_still_table():
    data, _ = BytesView(MESSAGE, 3)._repr_mimebundle_()
    assert data["text/plain"] == f"BytesView({MESSAGE!r}, buffer_size=3)"
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert "recv(3): 7 chamadas, 4 caracteres cortados" in data["text/html"]
    assert data["text/html"] == still(BytesView(MESSAGE, 3))  # nada nela muda sozinho


def test_still_table_never_carries_markup():
    attack = "</script><img src=x onerror=alert(1)>&\u202e\x1b"
    table = Table(still(BytesView(attack, 1024)))
    assert table.rows[1][2] == repr(attack)
    assert not table.tags - {"table", "caption", "br", "code", "thead", "tbody", "tr", "th", "td"}


def test_running_the_cell_again_closes_the_old_panel(kernel):
    kernel.run("from echo_lib import BytesView; views = []")
    for _ in range(3):
        kernel.run("views.append(BytesView('ção'))", cell="a")
    assert kernel.run("print([view.comm is None for view in views])") == "[True, True, False]\n"
