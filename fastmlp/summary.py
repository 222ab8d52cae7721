"""Networks and the library itself, described in text."""
import platform
import sys

from . import _core
from .layers import activation_name


def summary(net):
    """What MLP.summary returns."""
    rows, itemsize = [("layer", "kind", "units", "activation", "W", "parameters", "flops/row")], net.dtype.itemsize
    flops = 0
    for l, y in enumerate(net.layers, 1):
        W, b = net.W[l], net.b[l]
        parameters = sum(a.size for a in (W, b) if a is not None)
        work = 2 * W.size * (net.d[l] // W.shape[-1]) if W is not None else net.d[l]
        flops += work
        name = activation_name(y.activation)
        rows.append((str(l), y.kind if W is not None else repr(y), str(net.d[l]), name if W is not None else "",
                     "x".join(map(str, W.shape)) if W is not None else "", f"{parameters:,}", f"{work:,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(w) if i > 4 else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths))).rstrip() for row in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join([f"{net.d[0]} inputs, loss {net.loss.spec!r}, {net.dtype.name}", *lines,
                      f"{net.n_params:,} parameters, {net.n_params * itemsize:,} bytes; {flops:,} floating point operations "
                      "a row forward"])


def show_config():
    """Print versions, the instruction set in use, the compiler and the processors."""
    from importlib import metadata  # not at import: it takes 15 ms

    from . import __version__

    versions = {"fastmlp": __version__, "python": platform.python_version()}
    for package in ("numpy", "scipy", "scikit-learn", "matplotlib", "pandas", "tqdm"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    lines = {**versions, "instruction set": f"{_core.ISA} of {', '.join(_core.available_isas())}", "compiler": _core.COMPILER,
             "cores": _core.cores(), "platform": f"{platform.system()} {platform.machine()}, {sys.byteorder}-endian"}
    print("\n".join(f"{name:16s}{value}" for name, value in lines.items()))
