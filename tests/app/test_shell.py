"""Every page runs inside the frame, also where the server is cold and the address names a page."""

import pytest

from riskcore.dashboard.shell import PAGES


@pytest.mark.parametrize("page", PAGES)
def test_page_has_title_and_convention(open_page, page):
    app = open_page(page)
    assert app.title[0].value == PAGES[page][0]
    assert any("positive figure hurts" in text.value for text in app.sidebar.caption)
    assert not app.error
