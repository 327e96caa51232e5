"""O autoteste no fim de uma lição: com o teclado, cada alternativa se abre e responde."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import violations


@pytest.fixture(scope="module")
def lesson(module_page, lab):
    view = lab.show(module_page, "00_comece_aqui")
    title = view.get_by_role("heading", name="Autoteste")
    title.scroll_into_view_if_needed()
    expect(title).to_be_visible()
    return module_page, view


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_keyboard_opens_a_choice_and_it_says_why(lesson, key):
    page, view = lesson
    choice = view.locator("details", has=page.get_by_text("a) nada", exact=True))
    reason = choice.get_by_text("O kernel guarda o que foi executado.")
    expect(reason).to_be_hidden()
    choice.locator("summary").focus()
    page.keyboard.press(key)
    expect(reason).to_be_visible()
    page.keyboard.press(key)
    expect(reason).to_be_hidden()


def test_tab_goes_from_one_choice_to_the_next(lesson):
    page, view = lesson
    first, second = view.locator("summary", has_text=re.compile(r"^[ab]\) (nada|tudo: o)")).all()
    first.focus()
    page.keyboard.press("Tab")
    expect(second).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(first).to_be_focused()


def test_self_test_has_no_accessibility_failure(lesson):
    page, view = lesson
    choice = view.locator("details").last
    choice.scroll_into_view_if_needed()
    choice.evaluate("e => { e.closest('.jp-Cell').id = 'autoteste' }")
    assert violations(page, "#autoteste .jp-RenderedMarkdown") == []
