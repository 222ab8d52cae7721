"""Runs the Python blocks of a page in Markdown, as one script: python tests/pages.py README.md

The comment after a statement that prints, and on the lines below it, begins with what is printed. Numbers may differ by
a unit in the last place that is shown; "..." stands for anything. Warnings are errors. Figures are not shown. Blocks
that are marked py instead of python are not run: they need what the tests do not install.
"""
import ast
import contextlib
import io
import os
import re
import sys
import warnings
from pathlib import Path

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TOKEN = re.compile(r"\.\.\.|-?\d+(?:\.\d*)?(?:e[-+]?\d+)?|\w+|[^\w\s]")


class NotAsPrinted(AssertionError):
    """A comment says something else than what was printed."""


def blocks(text):
    """(number of the line before a block, its code), in their order."""
    return [(text.count("\n", 0, found.start(1)), found[1]) for found in BLOCK.finditer(text)]


def agrees(printed, comment):
    """Whether a comment begins with what was printed."""
    said, shown = TOKEN.findall(comment), TOKEN.findall(printed)
    for i, word in enumerate(shown):
        if i >= len(said):
            return False
        if said[i] == "...":
            return True
        if word != said[i] and not same_number(word, said[i]):
            return False
    return True


def same_number(printed, said):
    """Whether two texts are numbers that agree up to a unit in the last place of the second."""
    try:
        difference = abs(float(printed) - float(said))
    except ValueError:
        return False
    mantissa, _, exponent = said.partition("e")
    places = len(mantissa.partition(".")[2])
    return "." in said and difference <= 1.001 * 10.0 ** (int(exponent or 0) - places)


def comment_after(lines, node):
    """The comment at the end of a statement, and on the lines below it that are nothing else."""
    last = lines[node.end_lineno - 1].encode()[node.end_col_offset:].decode()
    found = [last.partition("#")[2].strip()]
    for line in lines[node.end_lineno:]:
        if not line.startswith("#"):
            break
        found.append(line.removeprefix("#").strip())
    return "\n".join(found).strip()


def run(path):
    """Run a page; NotAsPrinted, or what its code raises, with the number of the line."""
    names = {"__name__": "__main__"}
    for line, code in blocks(Path(path).read_text()):
        lines = code.split("\n")
        for node in ast.parse(code).body:
            place = f"{path}, line {line + node.lineno}"
            compiled = compile(ast.Module([node], []), place, "exec")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compiled, names)
            printed, comment = out.getvalue().strip(), comment_after(lines, node)
            if printed and not agrees(printed, comment):
                raise NotAsPrinted(f"{place}: printed\n{printed}\nand the comment says\n{comment}")


if __name__ == "__main__":
    os.environ["MPLBACKEND"] = "agg"
    warnings.simplefilter("error", UserWarning)
    warnings.simplefilter("error", RuntimeWarning)
    run(sys.argv[1])
