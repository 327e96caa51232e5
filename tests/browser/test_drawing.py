"""O desenho do diagrama, sozinho numa página em branco: sem JupyterLab e sem kernel."""

import socket
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from echo_lib import Trace, capture
from echo_lib.panels.assets import script, style
from echo_lib.panels.scene import Scene
from echo_lib.panels.segments import SegmentScene
from tests.browser.conftest import SIZE, alone, violations
from tests.common import HERE, ROOT, TIMEOUT

EXPORTS = "window.lib = { Store, layout, visible, dump, mount };"
HOSTILE = "<img src=x onerror=alert(1)></script>\u202e\x1b[31m\x00"


def conversation(*messages):
    """O rastro de um cliente que envia cada mensagem a uma conexão, que a lê inteira."""
    with Trace(limit=20_000) as trace, socket.create_server((HERE, 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=TIMEOUT)
        conn, _ = listener.accept()
        with client, conn:
            for message in messages:
                for start in range(0, len(message), 4096):  # cabe no buffer: ninguém espera
                    client.sendall(message[start : start + 4096])
                    left = len(message[start : start + 4096])
                    while left:
                        left -= len(conn.recv(1024))
    return trace.events()


def records(events, after=0):
    """Os registros de uma cena; as linhas, só as de depois das `after` primeiras chamadas."""
    update = Scene().add(events)
    return update | {"rows": update["rows"][after:], "dropped": 0}


@pytest.fixture(scope="module")
def page(pages, chromium):
    with alone(pages, chromium) as page:
        yield page


class Diagram:
    """Um diagrama desenhado na página, como o widget o faz, e o que se vê nele."""

    def __init__(self, page, *updates, limit=10_000):
        self.page = page
        self.errors = []
        page.on("pageerror", lambda error: self.errors.append(error))
        page.evaluate("() => { delete window.lib; }")
        page.set_content(f"<main><style>{style('sequence')}</style><h1>Teste</h1></main>")
        page.add_script_tag(type="module", content=script("sequence") + EXPORTS)
        page.wait_for_function("window.lib")
        page.evaluate(
            """limit => {
                window.store = new lib.Store(limit);
                const ask = (connection, say) => say('pediu ' + connection);
                lib.mount(document.querySelector('main'), store, ask);
            }""",
            limit,
        )
        for update in updates:
            self.add(update)
        self.root = page.get_by_role("region", name="Diagrama de sequência")
        self.list = page.get_by_role("listbox", name="Chamadas")
        self.details = page.get_by_role("region", name="Detalhes da chamada")

    def add(self, update):
        self.page.evaluate("update => store.add(update)", update)

    def use_theme(self, light):
        """Com "false", as cores do tema escuro do JupyterLab."""
        self.page.evaluate("light => { document.body.dataset.jpThemeLight = light; }", light)
        if light == "false":
            self.page.add_style_tag(
                content=":root { --jp-layout-color0: #111; --jp-layout-color1: #212121; "
                "--jp-layout-color2: #424242; --jp-layout-color3: #616161; "
                "--jp-ui-font-color0: #fff; --jp-ui-font-color1: #eee; }"
            )

    def settle(self):
        """Espera até que o que chegar já não conte como o que havia ao abrir."""
        self.page.evaluate("window.drawn = performance.now()")
        self.page.wait_for_function("performance.now() - drawn > 600")

    def layout(self, **options):
        return self.page.evaluate(
            """options => {
                const plan = lib.layout(store, options);
                return { ...plan, tops: [...plan.tops], rows: plan.rows.map(r => r.id),
                         columns: plan.columns.map(c => c.name) };
            }""",
            options,
        )

    def button(self, name):
        return self.root.get_by_role("button", name=name)

    def option(self, text):
        return self.list.get_by_role("option").filter(has_text=text)


def test_columns_rows_and_the_taller_handshake(page):
    diagram = Diagram(page, records(conversation(b"oi")))
    plan = diagram.layout()
    assert plan["columns"] == ["escuta", "conn 1", "cliente 1"]
    heights = [b - a for a, b in zip(plan["tops"], plan["tops"][1:], strict=False)]
    assert sorted(set(heights)) == [46, 92] and heights.count(92) == 1
    assert diagram.layout(until=plan["rows"][2])["rows"] == plan["rows"][:3]
    assert diagram.layout(connection=9)["columns"] == ["escuta"]  # só bind e listen são de todas


def test_a_call_that_took_long_enters_where_it_began(page):
    events = conversation(b"oi")
    late = replace(events[-1], number=99, time=events[0].time - 1)
    diagram = Diagram(page, records(events))
    diagram.add(records([*events, late], after=len(events)))
    assert diagram.layout()["rows"][0] == 99


def test_only_what_is_visible_is_in_the_page_however_long_the_trace(page):
    events = conversation(*[b"x"] * 2000)
    diagram = Diagram(page, records(events[:-1]))
    expect(diagram.root.get_by_text("4.006 chamadas.")).to_be_visible()
    shown = diagram.list.get_by_role("option")
    assert 5 < shown.count() < 60
    diagram.settle()
    diagram.add(records(events, after=len(events) - 1))
    expect(shown.last).to_contain_text("close()")  # segue a mais nova
    expect(shown.last).to_have_attribute("aria-setsize", "4007")
    assert page.locator("svg *").count() < 600


def test_memory_is_bounded_and_what_was_dropped_is_said(page):
    diagram = Diagram(page, records(conversation(*[b"x"] * 100)), limit=50)
    expect(
        diagram.root.get_by_text("50 chamadas; as 157 mais antigas já foram descartadas.")
    ).to_be_visible()
    sizes = page.evaluate("() => [store.rows.length, store.links.size]")
    assert sizes[0] == 50 and sizes[1] <= 50


def test_bytes_from_the_network_are_text(page):
    diagram = Diagram(page, records(conversation(HOSTILE.encode())))
    diagram.option("sendall").click()
    expect(diagram.details).to_contain_text(
        "<img src=x onerror=alert(1)></script>\\u202e\\x1b[31m\\x00"
    )
    expect(page.locator("main img, main script")).to_have_count(0)
    text = page.evaluate("() => document.querySelector('main').textContent")
    assert not any(c in text for c in "\u202e\x1b\x00")


def test_a_long_message_is_cut_between_letters(page):
    diagram = Diagram(page, records(conversation(*[("a" * n + "🗣️" * 9).encode() for n in (0, 1)])))
    labels = diagram.root.locator("svg .label").filter(has_text="…")
    expect(labels).to_have_count(2)
    assert labels.nth(1).evaluate("label => label.childNodes.length") == 3  # 64 bytes “a, emojis, …
    emoji = labels.nth(1).locator("tspan")
    assert emoji.evaluate("part => getComputedStyle(part).stroke") == "none"
    halves = "labels => labels.filter((label) => !label.textContent.isWellFormed()).length"
    assert labels.evaluate_all(halves) == 0


def test_in_a_narrow_place_a_segment_keeps_what_comes_after_its_data(page):
    update = SegmentScene().add(capture.read(ROOT / "notebooks" / "capturas" / "perda"))
    page.set_viewport_size({"width": 560, "height": 800})
    diagram = Diagram(page, update | {"dropped": 0})
    labels = diagram.root.locator("svg .label")
    expect(labels.get_by_text("4 bytes seq=3, de novo", exact=True)).to_have_count(1)
    expect(labels.get_by_text("4 bytes “dois” seq=3", exact=True)).to_have_count(1)  # cabe
    page.set_viewport_size({"width": 1280, "height": 720})


def test_what_the_kernel_could_not_draw_is_said_and_the_rest_stays(page):
    diagram = Diagram(page, records(conversation(b"oi")))
    page.evaluate("() => store.fail('<b>ValueError</b>: x')")
    expect(diagram.root.get_by_role("status").first).to_contain_text("(<b>ValueError</b>: x)")
    expect(diagram.root.get_by_text("9 chamadas.")).to_be_visible()


def test_one_mebibyte_without_a_space_stays_in_its_place(page):
    diagram = Diagram(page, records(conversation(b"a" * 2**20)))
    diagram.option("recv").last.click()
    width = page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"]


def test_teacher_steps_one_call_at_a_time_and_goes_back_live(page):
    events = conversation(b"oi")
    diagram = Diagram(page, records(events[:-1]))
    total = len(events) - 1
    diagram.button("Início").click()
    expect(diagram.root.get_by_text(f"1 de {total} chamadas.")).to_be_visible()
    expect(diagram.details).to_contain_text("escuta: bind")
    heard = diagram.root.get_by_role("status").last  # o foco fica no botão: é o que se ouve
    expect(heard).to_contain_text("escuta: bind(")
    for step in (2, 3):
        diagram.button("Próxima").click()
        expect(diagram.root.get_by_text(f"{step} de {total} chamadas.")).to_be_visible()
    expect(diagram.details).to_contain_text("cliente 1: connect")
    expect(heard).to_contain_text("cliente 1: connect(")
    diagram.button("Anterior").click()
    expect(diagram.details).to_contain_text("escuta: listen")
    diagram.add(records(events, after=total))  # o que chega enquanto isso espera a vez
    expect(diagram.root.get_by_text(f"2 de {total + 1} chamadas.")).to_be_visible()
    diagram.button("Ao vivo").click()
    expect(diagram.root.get_by_text(f"{total + 1} chamadas.")).to_be_visible()


def test_filter_shows_one_connection(page):
    diagram = Diagram(page, records(conversation(b"oi")))
    diagram.root.get_by_label("Conexão").select_option("1")
    expect(diagram.list.get_by_role("option", name="cliente 1 sendall")).to_be_visible()
    expect(diagram.root.get_by_role("status").last).to_have_text("9 chamadas na conexão 1")
    diagram.button("Salvar SVG").click()
    expect(diagram.root.get_by_role("status").first).to_have_text("pediu 1")


def test_keyboard_alone_walks_the_calls_and_opens_each(page):
    diagram = Diagram(page, records(conversation("ção".encode())))
    diagram.root.get_by_role("button", name="Salvar SVG").focus()
    page.keyboard.press("Tab")
    expect(diagram.list).to_be_focused()
    page.keyboard.press("Home")
    expect(diagram.details).to_contain_text("bind")
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    chosen = diagram.list.get_by_role("option", selected=True)
    expect(chosen).to_contain_text("sendall")
    assert diagram.list.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    expect(diagram.details).to_contain_text("c3 a7 c3 a3 6f")
    expect(diagram.details).to_contain_text("ção")
    page.keyboard.press("End")
    expect(diagram.details).to_contain_text("close()")


def test_pause_keeps_the_same_calls_when_old_ones_are_dropped(page):
    events = conversation(*[b"x"] * 60)
    diagram = Diagram(page, records(events[:80]), limit=50)
    diagram.button("Pausar").click()
    last = f"{len(events[:80])}"
    diagram.add(records(events[:110], after=80))
    expect(diagram.root.get_by_text("20 de 50 chamadas; as 60 mais antigas")).to_be_visible()
    assert str(diagram.layout(until=80)["rows"][-1]) == last
    diagram.button("Ao vivo").click()
    expect(diagram.root.get_by_text("50 chamadas; as 60 mais antigas")).to_be_visible()


def test_what_a_screen_reader_reads_stays_while_other_calls_come(page):
    events = conversation(*[b"x"] * 3)
    diagram = Diagram(page, records(events[:6]))
    diagram.list.focus()
    page.keyboard.press("Home")
    chosen = diagram.list.get_by_role("option", selected=True)
    expect(chosen).to_have_attribute("aria-setsize", "6")
    chosen.evaluate("node => { node.dataset.mine = 'sim'; }")
    diagram.add(records(events, after=6))
    expect(chosen).to_have_attribute("aria-setsize", str(len(events)))
    expect(chosen).to_have_attribute("data-mine", "sim")
    assert diagram.list.get_by_role("option").evaluate_all(
        "nodes => nodes.map(n => Number(n.getAttribute('aria-posinset')))"
    ) == list(range(1, len(events) + 1))


def test_forced_colors_of_the_system_leave_nothing_in_the_color_of_the_paper(page):
    page.emulate_media(forced_colors="active", color_scheme="dark")
    diagram = Diagram(page, records(conversation(b"oi")))
    expect(diagram.option("close()").first).to_be_attached()
    inks = diagram.root.locator("svg").first.evaluate(
        """svg => [...svg.querySelectorAll("path, circle")].map(node => {
            const { stroke, fill, strokeOpacity } = getComputedStyle(node);
            return [stroke === "none" ? fill : stroke, strokeOpacity].join(" ");
        })"""
    )
    page.emulate_media(forced_colors="none", color_scheme="light")
    assert {*inks} == {"rgb(255, 255, 255) 1"}


def test_in_a_very_narrow_place_the_figure_can_still_be_reached(page):
    page.set_viewport_size({"width": 320, "height": 600})
    diagram = Diagram(page, records(conversation(b"oi")))
    diagram.list.focus()
    page.keyboard.press("Home")
    stage = diagram.root.locator(".echo-stage")
    reached = """([stage, list]) => {
        stage.scrollLeft = stage.scrollWidth;  // de novo, se a figura mudou de largura
        return list.getBoundingClientRect().right <= stage.getBoundingClientRect().left + 10;
    }"""
    try:
        page.wait_for_function(reached, arg=[stage.element_handle(), diagram.list.element_handle()])
    finally:
        page.set_viewport_size(SIZE)


def test_in_a_very_narrow_place_the_list_stays_in_view_and_the_details_use_the_width(page):
    page.set_viewport_size({"width": 320, "height": 600})
    diagram = Diagram(page, records(conversation(b"oi")))
    diagram.list.focus()
    diagram.settle()
    page.keyboard.press("Home")
    for _ in range(6):  # passa por todas as colunas
        page.keyboard.press("ArrowDown")
    expect(diagram.option("cliente").first).to_be_visible()
    stage = diagram.root.locator(".echo-stage")
    try:
        assert stage.evaluate("node => node.scrollLeft") == 0
        name, value = (diagram.details.locator(tag).first.bounding_box() for tag in ("dt", "dd"))
        assert value["x"] == name["x"] and value["y"] > name["y"]
    finally:
        page.set_viewport_size(SIZE)


def test_reading_an_old_call_is_not_interrupted_and_escape_follows_again(page):
    events = conversation(*[b"x"] * 50)
    diagram = Diagram(page, records(events[:-20]))
    diagram.list.focus()
    page.keyboard.press("Home")
    expect(diagram.option("bind")).to_be_visible()
    diagram.add(records(events[:-10], after=len(events) - 20))
    expect(diagram.root.get_by_text(f"{len(events) - 10} chamadas.")).to_be_visible()
    expect(diagram.option("bind")).to_be_visible()
    page.keyboard.press("Escape")
    diagram.add(records(events, after=len(events) - 10))
    expect(diagram.option("escuta close()")).to_be_visible()


def test_a_hundred_connections_stay_light_and_can_be_chosen(page):
    with Trace() as trace, socket.create_server((HERE, 0)) as listener:
        for _ in range(100):
            with socket.create_connection(listener.getsockname(), timeout=TIMEOUT):
                listener.accept()[0].close()
    diagram = Diagram(page, records(trace.events()))
    expect(diagram.root.get_by_text("403 chamadas.")).to_be_visible()
    assert page.locator(".echo-head").count() < 20
    diagram.root.get_by_label("Conexão").select_option("70")
    expect(diagram.root.get_by_text("7 chamadas.")).to_be_visible()
    expect(diagram.root.get_by_text("cliente 70", exact=True).first).to_be_visible()


def test_pointer_at_rest_does_not_take_the_details_from_the_keyboard(page):
    diagram = Diagram(page, records(conversation(b"oi")))
    diagram.list.focus()
    page.keyboard.press("Home")
    bind = diagram.option("bind")
    expect(bind).to_have_attribute("aria-selected", "true")
    said = diagram.details.inner_text()
    # Como o WebKit faz, depois de rolar, com o ponteiro parado.
    listen = diagram.option("listen")
    place = listen.bounding_box()
    listen.dispatch_event("mousemove", {"clientX": place["x"] + 9, "clientY": place["y"] + 9})
    page.evaluate("new Promise(requestAnimationFrame)")
    assert diagram.details.inner_text() == said


def test_saved_tail_has_only_what_its_rows_need(page):
    with Trace() as trace, socket.create_server((HERE, 0)) as listener:
        for _ in range(100):
            client = socket.socket()
            with client:
                client.bind((HERE, 0))  # uma linha com dois nomes: o de antes de conectar
                client.connect(listener.getsockname())
                listener.accept()[0].close()
    Diagram(page, records(trace.events()))
    tail = page.evaluate("store.tail(8)")
    assert len(tail["rows"]) == 8 and len(tail["lines"]) < 12
    saved = Diagram(page, tail | {"dropped": tail["dropped"]})
    pair = ["cliente 99", "conn 99", "cliente 100", "conn 100"]
    assert saved.layout()["columns"] == ["escuta", *pair]


def test_hover_previews_and_click_keeps(page):
    diagram = Diagram(page, records(conversation(b"oi")))
    diagram.option("accept").click()
    expect(diagram.details).to_contain_text("escuta: accept()")
    diagram.option("listen").hover()
    expect(diagram.details).to_contain_text("escuta: listen()")
    page.mouse.move(0, 0)
    expect(diagram.details).to_contain_text("escuta: accept()")


def test_first_calls_are_read_from_the_beginning_however_late_they_come(page):
    diagram = Diagram(page)
    diagram.settle()
    diagram.add(records(conversation(*[b"x"] * 50)))
    expect(diagram.option("bind")).to_be_visible()


def test_reader_who_went_back_to_the_very_top_stays_there(page):
    events = conversation(*[b"x"] * 50)
    diagram = Diagram(page, records(events[:-20]))
    expect(diagram.option("bind")).to_be_visible()
    diagram.settle()
    diagram.add(records(events[:-10], after=len(events) - 20))
    expect(diagram.option("sendall").last).to_be_visible()  # segue as novas
    expect(diagram.option("bind")).to_have_count(0)
    diagram.list.hover()
    page.mouse.wheel(0, -20_000)
    expect(diagram.option("bind")).to_be_visible()
    diagram.add(records(events, after=len(events) - 10))
    expect(diagram.root.get_by_text(f"{len(events)} chamadas.")).to_be_visible()
    expect(diagram.option("bind")).to_be_visible()


def test_list_gets_narrower_if_that_shows_every_column(page):
    with Trace() as trace, socket.create_server((HERE, 0)) as listener:
        for _ in range(2):
            with socket.create_connection(listener.getsockname(), timeout=TIMEOUT):
                listener.accept()[0].close()
    page.set_viewport_size({"width": 862, "height": 720})
    diagram = Diagram(page, records(trace.events()))
    last = diagram.root.locator(".echo-head").filter(has_text="cliente 2")
    expect(last).to_be_in_viewport(ratio=1)
    page.set_viewport_size({"width": 1280, "height": 720})


def test_three_connections_fit_a_notebook_on_a_common_screen(page):
    with Trace() as trace, socket.create_server((HERE, 0)) as listener:
        for _ in range(3):
            with socket.create_connection(listener.getsockname(), timeout=TIMEOUT):
                listener.accept()[0].close()
    page.set_viewport_size({"width": 951, "height": 720})  # o que sobra de 1366
    diagram = Diagram(page, records(trace.events()))
    last = diagram.root.locator(".echo-head").filter(has_text="cliente 3")
    expect(last).to_be_in_viewport(ratio=1)
    for name in ("escuta", "conn 1", "cliente 3"):
        head = diagram.root.locator(".echo-head").filter(has_text=name)
        assert head.evaluate("head => head.querySelector('span').offsetWidth <= head.clientWidth")
    page.set_viewport_size({"width": 1280, "height": 720})


def test_new_call_brings_its_column_into_view(page):
    with Trace() as trace, socket.create_server((HERE, 0)) as listener:
        for _ in range(12):
            with socket.create_connection(listener.getsockname(), timeout=TIMEOUT) as client:
                listener.accept()[0].close()
                client.recv(1)
    events = trace.events()[:-1]  # sem o close da escuta: a última é do cliente 12
    diagram = Diagram(page, records(events[:-5]))
    last = diagram.root.locator(".echo-head").get_by_text("cliente 12", exact=True)
    expect(diagram.root.locator(".echo-head").get_by_text("escuta", exact=True)).to_be_in_viewport()
    expect(last).to_have_count(0)
    diagram.settle()
    diagram.add(records(events, after=len(events) - 5))
    expect(last).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("light", ["true", "false"])
def test_axe_finds_nothing(page, light):
    diagram = Diagram(page, records(conversation(b"oi", "ção".encode() * 500)))
    diagram.use_theme(light)
    diagram.option("sendall").first.click()
    assert violations(page, ".echo-sequence") == []
    assert diagram.errors == []
