"""Docstrings as Sphinx reads them: ours are plain text, with some lines for each parameter, "name : what it is"."""
import re
import textwrap

ITEM = re.compile(r"^ *(?P<names>\*{0,2}[A-Za-z]\w*(?:, \*{0,2}[A-Za-z]\w*)*) ?: (?P<text>.+)$")
PROSE = ("Errors", "Here", "Losses", "Note", "Of", "So", "The", "This", "Where")  # before a colon, and no names


def to_rst(lines):
    """A docstring's lines, without their common indentation, as reStructuredText."""
    out = []
    for block in blocks(lines):
        if len(block) > 1 and re.fullmatch(r" *-{3,}", block[1]):  # a section's title
            out += [f".. rubric:: {block[0].strip()}", ""]
            block = block[2:]
        if not block:
            continue
        if block[0].lstrip().startswith(">>>"):
            out += textwrap.dedent("\n".join(block)).split("\n")
        elif all(line.startswith("    ") for line in block) and not item(block[0]):
            out += ["::", "", *block]
        else:
            out += paragraphs(block)
        out.append("")
    return out


def blocks(lines):
    """Lines that stand together, without the empty ones between."""
    found = [[]]
    for line in lines:
        if line.strip():
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [block for block in found if block]


def item(line):
    """The match of a line that begins with a parameter's name, or None."""
    found = ITEM.match(line)
    return None if found is None or found["names"] in PROSE else found


def paragraphs(block):
    """A block of text with its parameters as a list."""
    out, in_list = [], False
    for line in block:
        found = item(line)
        if found:
            if not in_list:
                out.append("")
            out.append(f"- **{escaped(found['names'])}** : {escaped(found['text'])}")
            in_list = True
        else:
            out.append(("  " if in_list else "") + escaped(line.strip()))
    return out


def escaped(text):
    """Text in which no character means anything but itself, and what is between backquotes is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a lone backquote
        return re.sub(r"([\\*|`_])", r"\\\1", text)
    return "".join(f"``{part}``" if i % 2 and part.strip() == part and part else re.sub(r"([\\*|_])", r"\\\1", part)
                   for i, part in enumerate(parts))
