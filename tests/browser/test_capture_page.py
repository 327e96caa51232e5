"""Uma captura no mesmo diagrama, sozinho numa página em branco."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from echo_lib import capture
from echo_lib.panels.segments import SegmentScene
from tests.browser.conftest import alone, violations
from tests.browser.test_drawing import HOSTILE, Diagram
from tests.common import ROOT

SAVED = ROOT / "notebooks" / "capturas"


@pytest.fixture(scope="module")
def page(pages, chromium):
    with alone(pages, chromium) as page:
        yield page


class Drawn(Diagram):
    """Uma captura desenhada na página, como o widget o faz."""

    def __init__(self, page, segments):
        super().__init__(page, SegmentScene().add(segments) | {"dropped": 0})
        self.list = page.get_by_role("listbox", name="Segmentos, na ordem em que saíram")
        self.details = page.get_by_role("region", name="Detalhes do segmento")


def test_the_two_lives_and_what_happened_to_each_segment_are_in_words(page):
    diagram = Drawn(page, capture.read(SAVED / "perda"))
    expect(diagram.root.get_by_text("20 segmentos.")).to_be_visible()
    assert diagram.layout()["columns"] == ["cliente", "servidor"]
    lost, again = (diagram.option("4 bytes seq=3").nth(i) for i in (0, 1))
    expect(lost).to_contain_text("✗ [7] não chegou; aos 43,0 ms")
    expect(again).to_contain_text("4 bytes seq=3, de novo")
    expect(again).to_contain_text("[8] retransmissão; aos 266,7 ms")
    labels = page.locator("svg .label")
    expect(labels.filter(has_text="4 bytes “dois” seq=3 ✗")).to_have_count(1)
    expect(labels.filter(has_text="4 bytes “dois” seq=3, de novo")).to_have_count(1)
    expect(page.locator("svg path.cross.bad")).to_have_count(1)
    expect(page.get_by_text("chamada")).to_have_count(0)


def test_keyboard_alone_walks_the_segments_and_reads_the_fields(page):
    diagram = Drawn(page, capture.read(SAVED / "dano"))
    expect(diagram.details).to_contain_text("ande por eles com as setas")
    diagram.root.get_by_role("button", name="Salvar SVG").focus()
    page.keyboard.press("Tab")
    expect(diagram.list).to_be_focused()
    page.keyboard.press("Home")
    expect(diagram.details).to_contain_text("0; o próximo é 1")
    for _ in range(7):
        page.keyboard.press("ArrowDown")
    expect(diagram.details).to_contain_text("cliente: 4 bytes seq=3")
    for fact in ("Flags", "ACK", "3; o próximo é 7", "Janela", "chegou estragado, descartado"):
        expect(diagram.details).to_contain_text(fact)
    expect(diagram.details).to_contain_text("64 6f 69 73")
    expect(diagram.details).to_contain_text("dois")


def test_teacher_steps_one_segment_at_a_time(page):
    diagram = Drawn(page, capture.read(SAVED / "conversa"))
    diagram.button("Início").click()
    expect(diagram.root.get_by_text("1 de 15 segmentos.")).to_be_visible()
    diagram.button("Próxima").click()
    expect(diagram.details).to_contain_text("servidor: SYN + ACK seq=0 ack=1")


def test_an_empty_capture_says_so(page):
    diagram = Drawn(page, [])
    expect(diagram.root.get_by_text("Nenhum segmento nesta captura.")).to_be_visible()


def test_bytes_of_the_network_are_text(page):
    first = capture.read(SAVED / "conversa")[3]
    diagram = Drawn(page, [replace(first, data=HOSTILE.encode())])
    diagram.option("bytes").click()
    expect(diagram.details).to_contain_text("<img src=x onerror=alert(1)></script>\\u202e")
    expect(page.locator("main img, main script")).to_have_count(0)


@pytest.mark.parametrize("light", ["true", "false"])
def test_axe_finds_nothing(page, light):
    diagram = Drawn(page, capture.read(SAVED / "perda"))
    diagram.use_theme(light)
    diagram.option("não chegou").click()
    assert violations(page, ".echo-sequence") == []
    assert diagram.errors == []
