"""BytesView como o aluno o vê: o controle pelo teclado, os cortes, a tabela."""

from playwright.sync_api import expect

from tests.browser.conftest import act_until_visible, use_theme, violations
from tests.common import TIMEOUT

MESSAGE = "olá, ção 🗣️"
ATTACK = "</script><img src=x onerror=alert(1)>\u202e\x1b"
IMPORT = "from echo_lib import BytesView\n"
BUSY = f"import threading; print(threading.Event().wait({TIMEOUT * 3}))"


def test_slider_shows_what_is_cut_and_how_it_is_mended(lab, page):
    cells = [IMPORT + f"v = BytesView({MESSAGE!r}, buffer_size=4)", "v", "v", "print(v)", BUSY]
    notebook = lab.open(page, "bytes", *cells)
    for cell in (0, 1, 2):
        notebook.run(cell)
    first, second = (page.get_by_role("region", name="Bytes da mensagem").nth(n) for n in (0, 1))
    slider = first.get_by_label("Tamanho do recv (bytes)")
    expect(first.get_by_role("status")).to_have_text(
        "recv(4): 5 chamadas, nenhum caractere cortado."
    )
    slider.press("ArrowDown")  # no JupyterLab, a seta sozinha mudaria de célula
    expect(slider).to_be_focused()
    for key in ("ArrowRight", "ArrowLeft"):
        slider.press(key)
    expect(first.get_by_role("status")).to_contain_text(
        "recv(3): 7 chamadas, 4 caracteres cortados ✂"
    )
    expect(first.get_by_role("listitem").filter(has_text="(cortado)")).to_have_text(
        ["ác3a1 (cortado)", "ãc3a3 (cortado)", "🗣f09f97a3 (cortado)", "\\ufe0fefb88f (cortado)"]
    )
    row = second.get_by_role("row", name="c3 a7 c3")  # a outra vista do mesmo painel acompanha
    expect(row.get_by_role("rowheader")).to_have_text("3")
    error = "'utf-8' codec can't decode byte 0xc3 in position 2: unexpected end of data"
    expect(row.get_by_role("cell")).to_have_text(
        ["c3 a7 c3", f"✗ UnicodeDecodeError: {error}", "'ç'guardou: c3"]
    )
    expect(second.get_by_role("row", name="a3 6f 20").get_by_role("cell").last).to_have_text(
        "'ão '"
    )
    # O widget só manda um valor depois que o kernel recebeu o anterior: o último pode vir depois da
    # célula que o mostra.
    shown = notebook.view.get_by_text(f"BytesView({MESSAGE!r}, buffer_size=3)", exact=True)
    act_until_visible(lambda: notebook.run(3), shown)
    notebook.run(4)
    slider.press("End")  # com o kernel ocupado, o controle continua
    expect(first.get_by_role("status")).to_have_text(
        "recv(19): 1 chamada, nenhum caractere cortado."
    )
    expect(notebook.view.get_by_text("[*]:")).to_be_visible()
    page.get_by_role("button", name="Interromper kernel").click()
    expect(notebook.view.get_by_text("[*]:")).to_have_count(0)


WIDEST = """slider => {
  const view = slider.closest(".echo-bytes");
  const figure = view.querySelector(".echo-characters");
  const beyond = (width, size) => {
    view.style.width = `${width}px`;
    slider.value = size;
    slider.dispatchEvent(new Event("input"));
    return figure.scrollWidth - figure.clientWidth;
  };
  const sizes = Array.from({ length: slider.max }, (_, n) => n + 1);
  const widths = Array.from({ length: 25 }, (_, n) => 400 + 12 * n);
  return Math.max(...widths.flatMap((width) => sizes.map((size) => beyond(width, size))));
}"""


def test_no_size_makes_the_figure_wider_than_its_place_nor_cuts_the_heads_of_the_table(lab, page):
    notebook = lab.open(page, "largura", f"{IMPORT}BytesView({MESSAGE!r})")
    notebook.run()
    view, size = page.get_by_role("region", name="Bytes da mensagem"), page.viewport_size
    assert view.get_by_role("slider").evaluate(WIDEST) == 0
    page.set_viewport_size({"width": 640, "height": 900})
    cut = (
        "table => [...table.tHead.rows[0].cells].filter(c => c.scrollWidth > c.clientWidth).length"
    )
    try:
        assert view.get_by_role("table").first.evaluate(cut) == 0
    finally:
        page.set_viewport_size(size)


def test_message_is_never_markup(lab, page):
    notebook = lab.open(page, "ataque", IMPORT + f"BytesView({ATTACK!r}, buffer_size=1024)")
    for _ in range(2):  # rodar de novo troca o painel
        notebook.run()
        view = page.get_by_role("region", name="Bytes da mensagem")
        expect(view.get_by_role("cell", name=ATTACK[:30])).to_have_text([repr(ATTACK)] * 2)
    expect(view.get_by_role("listitem").filter(has_text="\\u202e")).to_have_text("\\u202ee280ae")
    expect(view.get_by_role("img")).to_have_count(0)


def test_view_has_no_accessibility_violation(lab, page):
    long = "b'\\xe1' + '🗣️'.encode() * 60, buffer_size=90"  # 421 bytes: não cabem todos
    messages = {repr(MESSAGE): "UnicodeDecodeError", long: "UnicodeDecodeError"}
    messages["''"] = "não tem bytes"
    notebook = lab.open(page, "acesso", *(f"{IMPORT}BytesView({m})" for m in messages))
    views = page.get_by_role("region", name="Bytes da mensagem")
    for cell, text in enumerate(messages.values()):
        notebook.run(cell)
        expect(views.nth(cell).get_by_text(text).first).to_be_visible()
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        use_theme(page, theme)
        for cell, message in enumerate(messages, start=1):
            views.nth(cell - 1).scroll_into_view_if_needed()
            assert violations(page, f".jp-Cell:nth-child({cell}) .echo-bytes") == [], message
