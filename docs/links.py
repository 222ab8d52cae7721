"""Do the links of the documentation lead somewhere? python docs/links.py docs/_build

Of the pages in html/ each link within them must lead to a file and to an anchor that are there. Addresses elsewhere
were asked by Sphinx, which has left linkcheck/output.json: one whose host says that it has no such page is lost too;
one whose host does not answer, as where there is no network, is listed as unreachable, and one that Sphinx was told to
leave out as a placeholder. The exit code is 1 where a link is lost.
"""
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ANSWERED = re.compile(r"\d{3} Client Error|Anchor ")    # how Sphinx begins to say what a host that answers has not


class Page(HTMLParser):
    """What a page links to, and the anchors that it has."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src") and value and tag != "link":
                self.links.append(value)
            elif name == "id" or name == "name" and tag == "a":
                self.anchors.add(value)


def lost_within(folder):
    """(page, link) of each link between the pages of a folder that leads nowhere, and how many were followed."""
    # themes have templates of theirs in _static
    written = [path for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts]
    pages = {path: Page(path) for path in written}
    lost, n = [], 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            n += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].anchors if target in pages else ()
            if not target.exists() or parts.fragment and target in pages and unquote(parts.fragment) not in anchors:
                lost.append((path.relative_to(folder), link))
    return lost, n


def asked(output):
    """{"lost" or "unreachable" or "placeholder": [what to print]} of the lines that Sphinx has left."""
    found = {"lost": [], "unreachable": [], "placeholder": []}
    for line in output.splitlines():
        row = json.loads(line)
        kind = {"broken": "lost" if ANSWERED.match(row["info"]) else "unreachable", "timeout": "unreachable",
                "ignored": "placeholder"}.get(row["status"])
        if kind:
            found[kind].append(f"{row['filename']}, line {row['lineno']}: {row['uri']}")
    return found


def main(build):
    lost, n = lost_within((build / "html").resolve())
    elsewhere = asked((build / "linkcheck" / "output.json").read_text("utf-8"))
    print(f"{n} links within the documentation, of which {len(lost)} lead nowhere")
    for page, link in lost:
        print(f"lost: {page}: {link}")
    for kind, rows in elsewhere.items():
        for row in rows:
            print(f"{kind}: {row}")
    return bool(lost or elsewhere["lost"])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
