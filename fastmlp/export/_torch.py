"""Convert a network to a PyTorch module."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _checks
from .._optional import needs
from . import _table
from ._nodes import nodes_of

if TYPE_CHECKING:
    from ..model import MLP


def of_network(net: MLP, link: bool) -> Any:
    """Implements MLP.to_torch."""
    _checks.boolean("link", link)
    nn = needs("fastmlp.export._torch_modules", "to_torch")
    nodes, layers = nodes_of(net), []
    for node in nodes:
        name, argument = node.activation
        modules = _table.row(_table.KINDS, type(node.layer), "a").torch(nn, node)
        if name != "identity":
            modules.append(_table.row(_table.ACTIVATIONS, name, "the activation").torch.make(nn, argument))
        layers.append(modules)
    name, each = net.loss.link_name, net.loss.outputs_each
    last = [_table.row(_table.LINKS, name, "the link").torch.make(nn, each)] if link and name != "identity" else []
    in_a_row = all(node.sources == (node.number - 1,) for node in nodes)
    told = in_a_row and len(net.shapes[0]) == 1 and nodes[0].W is not None  # by the first module's weights
    first = [] if told else [nn.Maps(net.shapes[0])]
    if in_a_row:
        made = nn.Sequential(*first, *(module for modules in layers for module in modules), *last)
    else:
        graph = nn.Layers([one_of(nn, modules) for modules in layers], [node.sources for node in nodes])
        made = nn.Sequential(*first, graph, *last)
    return made.eval()


def one_of(nn: Any, modules: list[Any]) -> Any:
    """Modules combined to one, in order."""
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)
