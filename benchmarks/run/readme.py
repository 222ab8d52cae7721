"""Puts what was measured into README.md and benchmarks/README.md: python benchmarks/run/readme.py

A block there, from <!-- results/NAME.md --> to <!-- end -->, holds the page of that name without its title; with a
colon and a word or more after the name, the last part of the page whose heading begins so, of one for each number of
threads that of the most, then what it was measured on and the command.
"""
import argparse
import re

import _path  # noqa: F401
from lib import machine

READMES = (machine.BENCHMARKS.parent / "README.md", machine.BENCHMARKS / "README.md")
BLOCK = re.compile(r"(?P<begin><!-- results/(?P<page>[\w-]+\.md)(?:: (?P<part>[^\n]+))? -->\n).*?(?P<end><!-- end -->)",
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


def filled(text, results=machine.RESULTS):
    """A README's text with its blocks as the results say."""
    def block(found):
        page = (results / found["page"]).read_text()
        return f"{found['begin']}\n{part(page, found['part']) if found['part'] else body(page)}\n\n{found['end']}"

    return BLOCK.sub(block, text)


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for path in READMES:
        path.write_text(filled(path.read_text()))


if __name__ == "__main__":
    main()
