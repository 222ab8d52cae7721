"""A network as one C99 file."""
from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from .._files import whole
from .._types import Floats
from .._version import __version__
from . import _c_kinds, _table
from ._c_source import WORD, needed
from ._nodes import Node, last_readers, nodes_of
from ._smaller import bfloat16, int8

if TYPE_CHECKING:
    from ..model import MLP

BY_LINE = 8  # numbers or texts in a line
WEIGHT_BITS = {"int8": 8, "bfloat16": 16, "sparse": 0}  # ways to store weights; 0: as reals
TAKEN = {  # what arguments are called, and keywords
    "x", "n", "out", "i", "j", "NULL", "size_t", "auto", "bool", "break", "case", "catch", "char", "class", "const",
    "continue", "default", "delete", "do", "double", "else", "enum", "export", "extern", "float", "for", "friend",
    "goto", "if", "inline", "int", "long", "main", "namespace", "new", "operator", "private", "protected", "public",
    "register", "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "template", "this",
    "throw", "try", "typedef", "union", "unsigned", "using", "virtual", "void", "volatile", "while",
}
HEAD = """\
/* {network}
 *
 * void {name}(const {real} *x, {real} *out): out ({d_out}) of a row x ({d_in}){maps}
 * void {name}_rows(const {real} *x, size_t n, {real} *out): of n rows, one after the other{notes}
 *
 * Numbers of the network take {constants:,} bytes, values of layers {values:,}.{error}
 *
 * Written by fastmlp {version}. C99, also C++; no memory is allocated. Compile with -O3, and for a processor with fused
 * multiply-add (-mfma, -march=native) to have the bits of the library's networks; {upper}_LIBM has them without,
 * slowly, by fma of <math.h>. Values of layers are in static arrays; for calls from several threads at once define
 * {upper}_STACK.
 */
#ifndef {upper}_H
#define {upper}_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

{fast}
#define FUSED(a, b, c) __builtin_fma{suffix}(a, b, c)
#elif defined({upper}_LIBM)
#include <math.h>
#define FUSED(a, b, c) fma{suffix}(a, b, c)
#else
#define FUSED(a, b, c) ((a) * (b) + (c))
#endif

#if defined(__GNUC__) || defined(_MSC_VER)
#define RESTRICT __restrict
#else
#define RESTRICT
#endif
#if defined(__clang__)
#define APART __attribute__((noinline))
#elif defined(__GNUC__)
#define APART __attribute__((noinline, noclone))
#else
#define APART
#endif
#ifdef {upper}_STACK
#define ROOM
#else
#define ROOM static
#endif
#ifdef __cplusplus
#define PUBLIC inline
#else
#define PUBLIC
#endif

/* what is fused is written out */
#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#endif
"""
BODY = """\
PUBLIC void predict(const real *x, real *out);
PUBLIC void predict_rows(const real *x, size_t n, real *out);

PUBLIC void predict(const real *x, real *out)
{{
{lines}
}}

PUBLIC void predict_rows(const real *x, size_t n, real *out)
{{
    for (size_t i = 0; i < n; i++) predict(x + i * {d_in}, out + i * {d_out});
}}
"""
TAIL = """\
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

#endif
"""
HEAD_WORDS = ("FUSED", "RESTRICT", "APART", "ROOM", "PUBLIC")
# how to find out that the processor has the instruction; clang calls a library for it where there is no system
FAST = {32: """\
#if defined(__clang__) && defined(__arm__) && defined(__ARM_FEATURE_FMA)
static inline float FUSED(float a, float b, float c)
{
    __asm__("vfma.f32 %0, %1, %2" : "+t"(c) : "t"(a), "t"(b));
    return c;
}
#elif defined(__FMA__) || defined(__FP_FAST_FMAF) || defined(__ARM_FEATURE_FMA)""", 64: """\
#if defined(__FMA__) || defined(__FP_FAST_FMA) || (defined(__ARM_FEATURE_FMA) && defined(__aarch64__))"""}


class CFile:
    """A C file in the making, to which the kinds of layers write constants and calls. Implements Source.

    constants, own: arrays and functions of this file, name -> text. bytes: of constant numbers. exact, changes: weights
    that are stored in less space, and how much that changes them.
    """

    def __init__(self, dtype: np.dtype[Any], kept: str | None) -> None:
        self.dtype, self.kept, self.functions = dtype, kept, {"real"}
        self.constants: dict[str, str] = {}
        self.own: dict[str, str] = {}
        self.prefix = ""
        self.bytes = 0
        self.exact: list[Floats] = []
        self.changes: list[Floats] = []

    def network(self, net: MLP, prefix: str = "") -> list[str]:
        """The statements that compute a network's predictions from x. prefix: of the names of its constants."""
        nodes, values = nodes_of(net, self.dtype), {0: "x"}
        self.prefix = prefix
        self.calls: list[str] = []
        self.rooms: list[int] = []  # sizes of the arrays that hold values of layers
        self._last, self._taken = last_readers(nodes), dict[str, int]()  # array -> the last layer that reads it
        for node in reversed(nodes):  # an array that is passed on unchanged is also read by the readers of that layer
            if _kind(node).c is _c_kinds.same:
                self._last[node.sources[0]] = max(self._last[node.sources[0]], self._last[node.number])
        for node in nodes:
            values[node.number] = _kind(node).c(self, node, *(values[source] for source in node.sources))
            self.activate(node, values[node.number])
        link = _table.row(_table.LINKS, net.loss.link_name, "the link")
        if link.c:
            self.call(link.c, "out", net.d[-1], *([net.loss.outputs_each] if link.by_targets else []))
        return [*(f"ROOM real room{i}[{size}];" for i, size in enumerate(self.rooms)), *self.calls]

    def define(self, name: str, statements: Sequence[str]) -> None:
        """Define a function name(x, out) in the file."""
        lines = "\n".join(f"    {line}" for line in statements)
        self.own[name] = f"static void {name}(const real *x, real *out)\n{{\n{lines}\n}}\n"

    def array(self, name: str, values: Any) -> str:
        if values is None:
            return "NULL"
        form = "%.8ef" if self.dtype == np.float32 else "%.16e"
        return self._constant("real", name, np.asarray(values, self.dtype), form)

    def weights(self, name: str, values: Any) -> tuple[str, str]:
        self.functions.add("weight")
        if self.kept == "int8":
            whole, factor = int8(values)
            numbers = self._kept(name, whole.astype(np.int8), "%d", values, whole * factor)
            return numbers, self.array(f"factor_{name}", factor)
        if self.kept == "bfloat16":
            rounded = bfloat16(values)
            upper = (rounded.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
            return self._kept(name, upper, "0x%04x", values, rounded), "NULL"
        return self.array(name, values), "NULL"

    def weights_in_order(self, name: str, values: Any) -> tuple[str, str, str]:
        if self.kept != "sparse":
            return "", *self.weights(name, values)
        present = values.ravel() != 0
        bits = self._constant("uint8_t", f"present_{name}", np.packbits(present, bitorder="little"), "0x%02x")
        return "sparse_", self.array(name, values.ravel()[present] if present.any() else np.zeros(1)), bits

    def _kept(self, name: str, numbers: Any, form: str, exact: Floats, changed: Floats) -> str:
        """A constant array of weights. exact, changed: their values before, and in the file."""
        self.exact.append(np.ravel(exact))
        self.changes.append(np.ravel(changed - exact))
        return self._constant("weight", name, numbers, form)

    def error(self) -> str:
        """A text that says how much storing has changed the weights; "" if not at all."""
        if not self.changes:
            return ""
        change, exact = np.concatenate(self.changes), np.concatenate(self.exact)
        share = np.linalg.norm(change) / (np.linalg.norm(exact) or 1)
        return (f" Weights are kept as {self.kept}, by\n * which they change by at most "
                f"{np.abs(change).max():.3g}; the root mean square of changes is {share:.2%} of that of weights.")

    def integers(self, name: str, values: Any) -> str:
        return self._listed("size_t", name, [str(value) for value in values.tolist()])

    def window(self, name: str, numbers: Any) -> str:
        self.functions.add("window")
        name = self.prefix + name
        self.constants[name] = f"static const window {name} = {{{', '.join(map(str, numbers))}}};"
        return f"&{name}"

    def room(self, node: Node) -> str:
        if node.number not in self._last:
            return "out"
        free = [name for name, last in self._taken.items() if last < node.number]
        name = free[0] if free else f"room{len(self.rooms)}"
        if not free:
            self.rooms.append(0)
        number = int(name.removeprefix("room"))
        self.rooms[number] = max(self.rooms[number], node.size)
        self._taken[name] = self._last[node.number]
        return name

    def call(self, function: str, *arguments: Any) -> None:
        self.functions.add(function)
        self.calls.append(f"{function}({', '.join(map(str, arguments))});")

    def activate(self, node: Node, values: str) -> None:
        """Write the activation of a layer, in place."""
        if node.activation[0] != "identity":
            self.apply(node.activation, values, values, node.size)

    def apply(self, activation: tuple[str, float], x: str, out: str, size: int) -> None:
        name, argument = activation
        self.functions.add(f"act_{name}")
        number = self.number(self.dtype.type(argument))
        self.calls.append(f"for (size_t j = 0; j < {size}; j++) {out}[j] = act_{name}({x}[j], {number});")

    def number(self, value: Any) -> str:
        """A number as a literal from which a compiler gets exactly the same number."""
        return f"{value:.8e}f" if self.dtype == np.float32 else f"{value:.16e}"

    def texts(self, name: str, values: Sequence[str]) -> str:
        """A constant array of texts; its name, NULL for none."""
        return self._listed("char *const", name, [literal(text) for text in values]) if values else "NULL"

    def _constant(self, kind: str, name: str, values: Any, form: str) -> str:
        self.bytes += values.nbytes
        return self._listed(kind, name, [form % value for value in values.ravel().tolist()])

    def _listed(self, kind: str, name: str, items: Sequence[str]) -> str:
        """A constant array of items; its name."""
        name = self.prefix + name
        lines = ("    " + ", ".join(items[i:i + BY_LINE]) for i in range(0, len(items), BY_LINE))
        self.constants[name] = f"static const {kind} {name}[{len(items)}] = {{\n" + ",\n".join(lines) + "};"
        return name


def of_network(net: MLP, path: str | os.PathLike[str] | None, dtype: Any, name: str, weights: str | None) -> str:
    """Implements MLP.to_c."""
    file = checked(path, dtype, name, weights)
    maps = f", a map {net.shapes[0]} in C order" if len(net.shapes[0]) > 1 else ""
    statements = file.network(net)
    return saved(rendered(file, name, repr(net), net.d[0], net.d[-1], statements, maps), path)


def checked(path: Any, dtype: Any, name: Any, weights: Any) -> CFile:
    """Check the arguments; returns an empty CFile."""
    floating = _checks.floating(dtype)
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) or name in TAKEN:
        raise ValueError(f"name must be a name for a C function, got {_checks.described(name)}")
    if weights is not None:
        _checks.one_of("weights", weights, WEIGHT_BITS)
    if path is not None:
        _checks.path("path", path)
    return CFile(floating, weights)


def saved(text: str, path: str | os.PathLike[str] | None) -> str:
    """Write a text to path, unless that is None, and return it."""
    if path is not None:
        whole.write(_checks.path("path", path), [text.encode()])
    return text


def _kind(node: Node) -> _table.Kind:
    return _table.row(_table.KINDS, type(node.layer), "a")


def rendered(file: CFile, name: str, model: str, d_in: int, d_out: int, statements: Sequence[str], maps: str = "",
             notes: str = "") -> str:
    """The text of the file; all names contain the model's name, so that a program can have several models.

    maps: a description of the shape of x. notes: lines for the comment at the top.
    """
    bits = 8 * file.dtype.itemsize
    pieces = needed(file.functions, bits, WEIGHT_BITS[file.kept] if file.kept else 0)
    words = {"name": name, "upper": name.upper(), "real": "float" if bits == 32 else "double", "version": __version__,
             "network": comment(model), "d_in": d_in, "d_out": d_out, "maps": maps, "notes": notes,
             "fast": FAST[bits], "suffix": "f" if bits == 32 else ""}
    body = BODY.format(**words, lines="\n".join(f"    {line}" for line in statements))
    rooms = re.findall(r"ROOM real \w+\[(\d+)\]", "".join([*file.own.values(), body]))
    sizes = {"constants": file.bytes, "values": sum(map(int, rooms)) * file.dtype.itemsize, "error": file.error()}
    parts = [HEAD.format(**words, **sizes), *(piece.text for piece in pieces), *file.constants.values(),
             *file.own.values(), body, TAIL]
    inner = (*HEAD_WORDS, *(piece.name for piece in pieces), *file.constants, *file.own)
    own = {word: f"{name}_{word}" for word in inner}
    return renamed("\n".join(parts), {**own, "predict": name, "predict_rows": f"{name}_rows"})


def comment(text: str) -> str:
    """Text that is safe inside a comment."""
    return text.replace("*/", "* /")


def literal(text: str) -> str:
    """A text in C, in UTF-8."""
    known = {ord(c): f"\\{c}" for c in '"\\?'}  # with "?", which may begin a trigraph
    return '"' + "".join(known.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}")
                         for byte in text.encode(errors="surrogatepass")) + '"'


def renamed(text: str, words: Mapping[str, str]) -> str:
    """C code with some words replaced, outside of comments and string literals."""
    parts = re.split(r'(/\*.*?\*/|"(?:[^"\\]|\\.)*")', text, flags=re.DOTALL)
    return "".join(part if part.startswith(("/*", '"')) else WORD.sub(lambda match: words.get(match[0], match[0]), part)
                   for part in parts)
