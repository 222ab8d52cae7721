"""Puts what was measured into README.md and benchmarks/README.md: python benchmarks/run/readme.py

A block there, from <!-- results/NAME.md --> to <!-- end -->, holds the page of that name without its title; with a
colon and a word or more after the name, the last part of the page whose heading begins so, of one for each number of
threads that of the most, then what it was measured on and the command. With ", rows 1, 3" after the name, of the page's
table these rows alone.
"""
import argparse
import re

import _path  # noqa: F401
from lib import machine

READMES = (machine.BENCHMARKS.parent / "README.md", machine.BENCHMARKS / "README.md")
BLOCK = re.compile(r"(?P<begin><!-- results/(?P<page>[\w-]+\.md)"
                   r"(?:: (?P<part>[^\n]+?))?(?:, rows (?P<rows>[\d, ]+))? -->\n).*?(?P<end><!-- end -->)",
                   re.DOTALL)
PART = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)


def body(page):
    """A page's text without its title, headings one level deeper."""
    return re.sub(r"^#", "##", page.split("\n", 1)[1].strip(), flags=re.MULTILINE)


def part(page, begins):
    """The last part of a page whose heading begins so."""
    heading, text = [found for found in PART.findall(page) if found[0].startswith(begins)][-1]
    measured_on, command = page.split("\n\n")[1], re.search(r"`python benchmarks/run/\w+\.py`", page)[0]
    return f"{heading}:\n\n{text.strip()}\n\n{measured_on} {command}"


def some_rows(text, numbers):
    """A page's text with some of the rows of its table, 1 the first below the head."""
    lines = text.split("\n")
    head = next(i for i, line in enumerate(lines) if line.startswith("|---"))
    rows = [i for i in range(head + 1, len(lines)) if lines[i].startswith("|")]
    left_out = {i for number, i in enumerate(rows, 1) if number not in numbers}
    return "\n".join(line for i, line in enumerate(lines) if i not in left_out)


def filled(text, results=machine.RESULTS):
    """A README's text with its blocks as the results say."""
    def block(found):
        page = (results / found["page"]).read_text()
        text = part(page, found["part"]) if found["part"] else body(page)
        if found["rows"]:
            text = some_rows(text, {int(number) for number in found["rows"].split(",")})
        return f"{found['begin']}\n{text}\n\n{found['end']}"

    return BLOCK.sub(block, text)


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for path in READMES:
        path.write_text(filled(path.read_text()))


if __name__ == "__main__":
    main()
