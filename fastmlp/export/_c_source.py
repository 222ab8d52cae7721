"""Extract the C code that a file of a network needs from the library's own sources: the kernels' exp and activations,
which are plain C with scalars instead of vectors (c/scalar.inc), and layers (c/layers.inc).

So each formula exists once, and what is added to the kernels can be exported.
"""
from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import NamedTuple

FILES = ("export/c/scalar.inc", "kernels/vecmath.inc", "kernels/activations.inc", "export/c/layers.inc",
         "export/c/tables.inc")
CONDITION = re.compile(r"#if (REAL_BITS|WEIGHT_BITS) == (\d+)$")
NAMES = re.compile(r"""
    ^\#define\ (?P<macro>\w+)                                   # a macro,
    | ^typedef\ .*?(?P<type>\w+)(\[\d+\])?;\Z                    # a type,
    | ^static\ const\ \w+\ (?P<table>\w+)\[                      # a table,
    | ^(?:INLINE|APART\ static|static)\ [\w\ ]+?\*?(?P<function>\w+)\(         # or a function
""", re.VERBOSE | re.MULTILINE | re.DOTALL)
WORD = re.compile(r"[A-Za-z_]\w*")
PLAIN = {"vf": "real", "vi": "integer", "vu": "natural", "INLINE": "static inline"}  # words of the kernels -> of C


class Piece(NamedTuple):
    """A macro, type, table or function, with the comment above it."""

    name: str
    text: str
    words: frozenset[str]


def needed(names: Iterable[str], real_bits: int, weight_bits: int = 0) -> list[Piece]:
    """The pieces with some names and all pieces that these need, in an order that C accepts.

    real_bits: of a real, 32 or 64. weight_bits: of a weight, 0 for those of a real.

    KeyError if there is no piece with a name.
    """
    known, wanted, new = pieces(real_bits, weight_bits), set(), set(names)
    while new:
        wanted |= new
        new = {word for name in new for word in known[name].words if word in known} - wanted
    return [piece for name, piece in known.items() if name in wanted]


@functools.cache
def pieces(real_bits: int, weight_bits: int = 0) -> dict[str, Piece]:
    """All pieces by name, in the order of the sources."""
    found = {}
    for file in FILES:
        text = resources.files("fastmlp").joinpath(file).read_text()
        lines = lines_for({"REAL_BITS": real_bits, "WEIGHT_BITS": weight_bits}, text.splitlines())
        for chunk in chunks("\n".join(lines)):
            match = NAMES.search(chunk)
            if match is not None:
                name = match[str(match.lastgroup)] if match.lastgroup else ""
                code = plain(name, chunk, real_bits)
                found[name] = Piece(name, code, frozenset(WORD.findall(without_comments(code))))
    return found


def lines_for(bits: Mapping[str, int], lines: Iterable[str]) -> Iterator[str]:
    """The lines of a source for reals and weights of these sizes."""
    outer: list[bool | None] = []  # for each open #if, whether its lines are kept; None if it is about something else
    for line in lines:
        condition = CONDITION.match(line)
        if condition is not None:
            outer.append(int(condition[2]) == bits[condition[1]])
            continue
        if line.startswith("#if"):
            outer.append(None)
        elif line.startswith("#else") and outer[-1] is not None:
            outer[-1] = not outer[-1]
            continue
        elif line.startswith("#endif") and outer.pop() is not None:
            continue
        if False not in outer:
            yield line


def chunks(text: str) -> Iterator[str]:
    """Comments, macros, types, tables and functions at the outermost level, each with the comment right above it."""
    chunk: list[str] = []
    for line in text.splitlines():
        if not line.strip() and not open_in(chunk):
            chunk = []
            continue
        chunk.append(line)
        code = without_comments("\n".join(chunk)).strip()
        if code and not open_in(chunk) and (code[-1] in "};" or code.startswith("#define")):
            yield "\n".join(chunk)
            chunk = []


def open_in(lines: list[str]) -> bool:
    """Whether a brace, a comment or a macro is still open after some lines."""
    text = "\n".join(lines)
    code = without_comments(text)
    return code.count("{") != code.count("}") or text.count("/*") != text.count("*/") or text.endswith("\\")


def without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def plain(name: str, chunk: str, bits: int) -> str:
    """A piece as plain C: no vectors, no pragmas, and unused arguments marked as such."""
    words = {**PLAIN, "REAL_BITS": str(bits)}
    text = WORD.sub(lambda match: words.get(match[0], match[0]), re.sub(r"\n *UNROLL\b", "", chunk))
    if name.startswith("act_") and not re.search(r"\ba\b", without_comments(text).partition("{")[2]):
        text = re.sub(r"\{", "{ (void)a;" if "{ " in text else "{\n    (void)a;", text, count=1)
    return text.rstrip()
