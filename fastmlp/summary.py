"""MLP.summary, a table of a network's layers, and show_config, the versions and hardware in use."""
from __future__ import annotations

import math
import platform
import sys
from typing import TYPE_CHECKING

from . import _core
from ._version import __version__
from .layers import activation_name, in_brackets

if TYPE_CHECKING:
    from .model import MLP

COLUMNS = ("layer", "kind", "units", "activation", "W", "parameters", "flops/row")
N_OF_TEXT = 5  # columns of text; those after them are numbers, aligned to the right


class Summary(str):
    """A string that notebooks show as an HTML table."""

    __slots__ = ("table",)
    table: str

    def _repr_html_(self) -> str:
        return self.table


def summary(net: MLP) -> Summary:
    """Implements MLP.summary."""
    head, rows, foot = _table(net)
    rows = [COLUMNS, *rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) if i < N_OF_TEXT else cell.rjust(width)
                       for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    text = Summary("\n".join([head, *lines, foot]))
    text.table = html(net)
    return text


def html(net: MLP) -> str:
    """The summary as an HTML table, for notebooks."""
    from html import escape  # here: seldom needed, and slow to import

    head, rows, foot = _table(net)

    def line(tag: str, row: tuple[str, ...]) -> str:
        cells = (f'<{tag} style="text-align: {"left" if i < N_OF_TEXT else "right"}">{escape(cell)}</{tag}>'
                 for i, cell in enumerate(row))
        return f"<tr>{''.join(cells)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return (f"<div>MLP: {escape(head)}<table><thead>{line('th', COLUMNS)}</thead><tbody>{body}</tbody></table>"
            f"{escape(foot)}</div>")


def _table(net: MLP) -> tuple[str, list[tuple[str, ...]], str]:
    """(header line about the network, a row of cells for each layer, footer line with sums)"""
    work = [_work(net, l) for l in range(1, len(net.d))]
    size = net.n_params * net.dtype.itemsize
    precision = "" if net.precision == "full" else f", products of {net.precision}"
    return (f"{net.d[0]} inputs, loss {net.loss.spec!r}, {net.dtype.name}{precision}",
            [_row(net, l, flops) for l, flops in enumerate(work, 1)],
            f"{net.n_params:,} parameters, {size:,} bytes; {sum(work):,} floating point operations a row forward")


def _work(net: MLP, l: int) -> int:
    """Floating point operations of a layer in the forward pass of one row."""
    W, positions = net.W[l], math.prod(net.shapes[l][:-1])
    return net.d[l] if W is None or net.layers[l - 1].n_categories else 2 * W.size * positions


def _row(net: MLP, l: int, work: int) -> tuple[str, ...]:
    """A layer's cells, by column."""
    layer, W, b = net.layers[l - 1], net.W[l], net.b[l]
    parameters = sum(a.size for a in (W, b) if a is not None)
    kind, activation, shape = (layer.brief(), "", "") if W is None else (
        layer.kind + in_brackets(layer.own_factors()), activation_name(layer.activation), "x".join(map(str, W.shape)))
    return str(l), kind, str(net.d[l]), activation, shape, f"{parameters:,}", f"{work:,}"


def show_config() -> None:
    """Print versions, the instruction set in use, the compiler and the processors."""
    from importlib import metadata  # not at import: it takes 15 ms

    versions = {"fastmlp": __version__, "python": platform.python_version()}
    for package in ("numpy", "scipy", "scikit-learn", "matplotlib", "pandas", "tqdm"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    lines = {**versions, "instruction set": f"{_core.ISA} of {', '.join(_core.available_isas())}",
             "compiler": _core.COMPILER, "cores": _core.cores(),
             "platform": f"{platform.system()} {platform.machine()}, {sys.byteorder}-endian"}
    print("\n".join(f"{name:16s}{value}" for name, value in lines.items()))
