"""docs/links.py: which links of the built documentation it finds to lead nowhere."""
import json

import pytest

import sources

DOCS = sources.ROOT / "docs"
if not DOCS.is_dir():
    pytest.skip("the documentation is not here", allow_module_level=True)

PAGE = """<html><head><link href="not-followed.css"></head><body id="top"><h1 id="a-title">A title</h1>
<a href="#a-title">1</a> <a href="other.html#there">2</a> <a href="deep/page.html">3</a> <img src="a%20picture.svg">
<a href="https://example.org/lost">elsewhere</a> <a href="mailto:someone">mail</a>{more}</body></html>"""


@pytest.fixture
def links(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    import links

    return links


@pytest.fixture
def build(tmp_path):
    """A folder as `make linkcheck` leaves it, in which all links lead somewhere."""
    html = tmp_path / "html"
    (html / "deep").mkdir(parents=True)
    (html / "page.html").write_text(PAGE.format(more=""))
    (html / "other.html").write_text('<a name="there"></a><a href="page.html">back</a>')
    (html / "deep" / "page.html").write_text('<a href="../page.html#top">up</a>')
    (html / "a picture.svg").write_text("")
    (html / "_static").mkdir()
    (html / "_static" / "template.html").write_text('<a href="of-a-theme.html">not followed</a>')
    (tmp_path / "linkcheck").mkdir()
    (tmp_path / "linkcheck" / "output.json").write_text("")
    return tmp_path


def test_links_that_lead_somewhere(links, build, capsys):
    assert not links.main(build)
    assert capsys.readouterr().out == "6 links within the documentation, of which 0 lead nowhere\n"


@pytest.mark.parametrize("link", ["#another-title", "other.html#a-title", "missing.html", "deep/missing.svg",
                                  "../html/deep/page.html#top"])
def test_links_that_lead_nowhere(links, build, link, capsys):
    (build / "html" / "page.html").write_text(PAGE.format(more=f'<a href="{link}">lost</a>'))
    assert links.main(build)
    assert f"lost: page.html: {link}\n" in capsys.readouterr().out


@pytest.mark.parametrize("status, info, kind", [
    ("broken", "404 Client Error: Not Found for url", "lost"), ("broken", "Anchor 'x' not found", "lost"),
    ("broken", "HTTPSConnectionPool(host='example.org', port=443): Max retries exceeded", "unreachable"),
    ("broken", "503 Server Error: Service Unavailable for url", "unreachable"), ("timeout", "", "unreachable"),
    ("ignored", "", "placeholder"), ("working", "", None), ("redirected", "", None), ("unchecked", "", None)])
def test_addresses_elsewhere(links, build, status, info, kind, capsys):
    row = {"filename": "page.md", "lineno": 3, "status": status, "code": 0, "uri": "https://example.org", "info": info}
    (build / "linkcheck" / "output.json").write_text(json.dumps(row) + "\n")
    assert links.main(build) == (kind == "lost")
    said = capsys.readouterr().out.splitlines()[1:]
    assert said == ([] if kind is None else [f"{kind}: page.md, line 3: https://example.org"])
