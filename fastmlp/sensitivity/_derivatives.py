"""Derivatives of a network's error and outputs by its input, as functions that call MLP's methods."""
from __future__ import annotations

from typing import Any

from .._types import Floats
from ..model import MLP
from ._target import required_mlp


def input_gradient(net: MLP, X: Any, y: Any = None, output: int | None = None, at: str = "logits") -> Floats:
    """de_i/dx_i(0) for targets y, or dx_k(L)/dx(0) for output k, (n, d(0)): see MLP.input_gradient."""
    return required_mlp(net).input_gradient(X, y, output, at)


def jacobian(net: MLP, X: Any, at: str = "logits") -> Floats:
    """dx_k(L)/dx_j(0) of each row, (n, d(L), d(0)): see MLP.jacobian."""
    return required_mlp(net).jacobian(X, at)


def jvp(net: MLP, X: Any, V: Any, at: str = "logits") -> Floats:
    """sum_j v_j dx(L)/dx_j(0) of each row, (n, d(L)), for V (n, d(0)): see MLP.jvp."""
    return required_mlp(net).jvp(X, V, at)


def vjp(net: MLP, X: Any, U: Any, at: str = "logits") -> Floats:
    """sum_k u_k dx_k(L)/dx(0) of each row, (n, d(0)), for U (n, d(L)): see MLP.vjp."""
    return required_mlp(net).vjp(X, U, at)
