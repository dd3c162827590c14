import pytest

from dev.sections import read_section, write_section


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("# Title\n<!-- a -->\nold\n<!-- /a -->\n<!-- b -->\nkept\n<!-- /b -->\nend\n")
    return path


def test_the_section_is_replaced_and_the_rest_is_kept(page):
    write_section(page, "a", "one\ntwo\n")
    assert page.read_text() == (
        "# Title\n<!-- a -->\none\ntwo\n<!-- /a -->\n<!-- b -->\nkept\n<!-- /b -->\nend\n"
    )
    assert read_section(page, "a").strip() == "one\ntwo"
    assert list(page.parent.iterdir()) == [page]


@pytest.mark.parametrize("text", ["", "<!-- a -->", "<!-- /a --><!-- a -->", "<!-- a -->" * 2])
def test_markers_are_needed_once_each_in_their_order(page, text):
    page.write_text(text)
    with pytest.raises(ValueError, match=r"page.md: expected <!-- a --> and .* once each"):
        write_section(page, "a", "new")
    assert page.read_text() == text


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_section(tmp_path / "none.md", "a")
