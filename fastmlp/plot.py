"""Plots: Displays in the style of scikit-learn. Only this module imports matplotlib.

from_estimator computes and draws; the constructor takes computed values, and plot(ax=None) draws them, on new axes or
on ax, and returns the display, whose ax_ and figure_ are matplotlib's. Further keywords are passed to the bars, the
image or the lines.
"""
from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from . import _arrays, _checks, sensitivity
from ._optional import needing
from ._types import Floats
from .model import MLP
from .sensitivity._target import feature_names as names_of_features
from .sensitivity._target import last_step

with needing("pictures", "need"):
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SensitivityDisplay", "NoiseCurveDisplay", "LossCurveDisplay"]


def _numbers(argument: str, values: Any) -> Floats:
    """values as an array of floats."""
    return _arrays.numeric(argument, values, float).astype(float)


class _Display:
    ax_: Any
    figure_: Any

    def plot(self, ax: Any = None, **style: Any) -> Self:
        """Draw it on ax, or on new axes. Returns self."""
        if not (ax is None or isinstance(ax, Axes)):
            raise TypeError(f"ax must be matplotlib's Axes, got {_checks.described(ax)}")
        self.ax_ = plt.subplots(layout="constrained")[1] if ax is None else ax
        self.figure_ = self.ax_.figure
        self._draw(self.ax_, style)
        return self

    def _draw(self, ax: Any, style: dict[str, Any]) -> None:
        raise NotImplementedError


class SensitivityDisplay(_Display):
    """The importance of each feature, as bars, the largest first, or as an image, if features are its pixels.

    values : (d,), or of image_shape, such as means over rows of an attribution; colours tell positive from negative
    where there are both. feature_names : d strings, or None for x0, x1, ... image_shape : None, (height, width) or
    (height, width, channels), which are added up. max_features : bars at most. label : what the values are.
    """

    def __init__(self, values: ArrayLike, *, feature_names: Sequence[str] | None = None,
                 image_shape: tuple[int, ...] | None = None, max_features: int = 20,
                 label: str = "sensitivity") -> None:
        self.values = _numbers("values", values)
        if isinstance(image_shape, (tuple, list)) and self.values.shape == tuple(image_shape):
            self.values = self.values.ravel()
        if self.values.ndim != 1 or not len(self.values):
            raise ValueError(f"values must have shape (d,), with d at least 1, got {self.values.shape}")
        d = len(self.values)
        names = ([f"x{j}" for j in range(d)] if feature_names is None
                 else _arrays.as_array("feature_names", feature_names))
        if np.ndim(names) != 1:
            raise TypeError(f"feature_names must be {d} names, got {_checks.described(names)}")
        self.feature_names = [str(name) for name in names]
        if len(self.feature_names) != d:
            raise ValueError(f"feature_names must be {d} names, got {len(self.feature_names)}")
        if image_shape is not None and not (
                isinstance(image_shape, (tuple, list)) and len(image_shape) in (2, 3)
                and all(map(_checks.is_integer, image_shape)) and math.prod(image_shape) == d):
            raise ValueError(f"image_shape must be 2 or 3 numbers whose product is {d}, "
                             f"got {_checks.described(image_shape)}")
        self.image_shape, self.label = image_shape, _checks.text("label", label)
        self.max_features = _checks.integer("max_features", max_features, 1)

    @classmethod
    def from_estimator(cls, model: Any, X: Any, y: Any = None, *, output: Any = None, at: str = "logits",
                       method: Callable[..., Any] = sensitivity.saliency, feature_names: Sequence[str] | None = None,
                       image_shape: tuple[int, ...] | None = None, max_features: int = 20, ax: Any = None,
                       **style: Any) -> Self:
        """Plot the mean over rows of an attribution.

        model : an MLP, a fitted estimator, or a Pipeline that ends with one. X, y, output, at : as in
        fastmlp.sensitivity.saliency: of the loss if y is given, otherwise of an output. method : a function (model, X,
        y, output, at), such as those of fastmlp.sensitivity.
        feature_names, image_shape : None for the model's own, if it has them: its feature_names_in_, the shape of its
        input maps.
        """
        _checks.function("method", method)
        values = _numbers("what method returns", method(model, X, y, output, at)).mean(axis=0)
        if feature_names is None:
            feature_names = names_of_features(model)
        if image_shape is None and isinstance(model, MLP) and len(model.shapes[0]) > 1:
            image_shape = model.shapes[0] if len(model.shapes[0]) == 3 else (1, *model.shapes[0])
        words = getattr(method, "__name__", "attribution").replace("_", " ")
        display = cls(values, feature_names=feature_names, image_shape=image_shape, max_features=max_features,
                      label=f"mean {words} of the {'output' if y is None else 'loss'}")
        return display.plot(ax, **style)

    def _draw(self, ax: Any, style: dict[str, Any]) -> None:
        if self.image_shape is None:
            self._bars(ax, style)
        else:
            self._image(ax, self.image_shape, style)

    def _bars(self, ax: Any, style: dict[str, Any]) -> None:
        first = np.argsort(-np.abs(self.values), kind="stable")[:self.max_features]
        values = self.values[first]
        ax.barh(range(len(first)), values, **{"color": np.where(values < 0, "C3", "C0"), **style})
        ax.set_yticks(range(len(first)), [self.feature_names[j] for j in first])
        ax.set(ylim=(len(first) - 0.4, -0.6), xlabel=self.label)
        if len(first) < len(self.values):
            ax.set_ylabel(f"{len(first)} of {len(self.values)} features")
        if (values < 0).any():
            ax.axvline(0, color="black", linewidth=0.8)

    def _image(self, ax: Any, shape: tuple[int, ...], style: dict[str, Any]) -> None:
        image = self.values.reshape(*shape[:2], -1).sum(axis=2)
        most = np.abs(image).max() or 1.0
        colours = {"cmap": "RdBu", "vmin": -most} if (image < 0).any() else {"cmap": "Blues", "vmin": 0}
        aspect = "auto" if len(image) == 1 else "equal"
        drawn = ax.imshow(image, **{**colours, "vmax": most, "aspect": aspect, **style})
        ax.set_yticks([])
        if len(image) > 1:
            ax.set_xticks([])
        ax.figure.colorbar(drawn, ax=ax, label=self.label)


class NoiseCurveDisplay(_Display):
    """The error as a function of noise on the input, with a band of one standard deviation over repeats.

    sigmas, error, error_std : (m,), as in a NoiseCurve; error_std may be None. name : in the legend. measure : the name
    of the error.
    """

    def __init__(self, sigmas: ArrayLike, error: ArrayLike, error_std: ArrayLike | None = None, *,
                 name: str | None = None, measure: str = "error") -> None:
        self.sigmas, self.error = _numbers("sigmas", sigmas), _numbers("error", error)
        self.error_std = None if error_std is None else _numbers("error_std", error_std)
        given = [a for a in (self.sigmas, self.error, self.error_std) if a is not None]
        if self.sigmas.ndim != 1 or any(a.shape != self.sigmas.shape for a in given):
            shapes = ", ".join(str(a.shape) for a in given)
            raise ValueError(f"sigmas, error and error_std must have one shape (m,), got {shapes}")
        self.name, self.measure = None if name is None else _checks.text("name", name), _checks.text("measure", measure)

    @classmethod
    def from_estimator(cls, model: Any, X: Any, y: Any, sigmas: ArrayLike, *, measure: str = "error",
                       n_repeats: int = 10, scale: ArrayLike = 1.0, random_state: Any = None, name: str | None = None,
                       ax: Any = None, **style: Any) -> Self:
        """Plot the result of fastmlp.sensitivity.noise_curve, which explains the other arguments. measure : "error",
        the network's loss, or "misclassified", 1 - accuracy. name : in the legend, None for the model's class. Several
        models may share an ax."""
        _checks.one_of("measure", measure, ("error", "misclassified"))
        curve = sensitivity.noise_curve(model, X, y, sigmas, n_repeats=n_repeats, scale=scale,
                                        random_state=random_state)
        error, error_std = getattr(curve, measure), getattr(curve, f"{measure}_std")
        if error is None:
            raise ValueError("measure must be 'error' where the loss is not a cross-entropy, got 'misclassified'")
        name = type(last_step(model)).__name__ if name is None else name
        return cls(curve.sigmas, error, error_std, name=name, measure=measure).plot(ax, **style)

    def _draw(self, ax: Any, style: dict[str, Any]) -> None:
        line, = ax.plot(self.sigmas, self.error, **{"marker": "o", "markersize": 4, "label": self.name, **style})
        if self.error_std is not None:
            ax.fill_between(self.sigmas, self.error - self.error_std, self.error + self.error_std,
                            color=line.get_color(), alpha=0.2, linewidth=0)
        ax.set(xlabel="noise on the input, sigma", ylabel=self.measure)
        if self.name is not None:
            ax.legend()


class LossCurveDisplay(_Display):
    """Losses by epoch, and metrics with their own scale at the right.

    curves : name -> values, one per epoch: "loss" and "val_loss" are losses, "lr" is ignored, all others are metrics.
    """

    def __init__(self, curves: Mapping[str, Sequence[float]]) -> None:
        if not isinstance(curves, Mapping):
            raise TypeError(f"curves must be lists of numbers by name, got {_checks.described(curves)}")
        self.curves = {name: values for name, values in curves.items() if name != "lr"}
        for name, values in self.curves.items():
            if _numbers(f"curves[{name!r}]", values).ndim != 1:
                raise ValueError(f"curves[{name!r}] must be a list of numbers, got {_checks.described(values)}")

    @classmethod
    def from_estimator(cls, model: Any, *, ax: Any = None, **style: Any) -> Self:
        """Plot an MLP's history, or an estimator's loss_curve_ and validation_scores_, with any solver. ValueError if
        the model has none of these, because it is not fitted."""
        model = last_step(model)
        attributes = {"loss": "loss_curve_", "score": "validation_scores_"}
        curves = getattr(model, "history", None) or {name: getattr(model, attribute, None)
                                                     for name, attribute in attributes.items()}
        curves = {name: values for name, values in curves.items() if values is not None}
        if not curves:
            raise ValueError(f"model must be fitted, got {type(model).__name__} without a loss curve")
        return cls(curves).plot(ax, **style)

    def _draw(self, ax: Any, style: dict[str, Any]) -> None:
        metrics = [name for name in self.curves if name not in ("loss", "val_loss")]
        right: Any = ax.twinx() if metrics else None
        lines: list[Any] = []
        for name, values in self.curves.items():
            axes, line = (right, "--") if name in metrics else (ax, "-")
            look = {"linestyle": line, "color": f"C{len(lines)}", "label": name, **style}
            lines += axes.plot(range(1, 1 + len(values)), values, **look)
        ax.set(xlabel="epoch", ylabel="loss")
        ax.xaxis.get_major_locator().set_params(integer=True)
        if metrics:
            right.set_ylabel(", ".join(metrics))
        ax.legend(handles=lines, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)


def plot_history(history: Mapping[str, Sequence[float]], ax: Any = None) -> Any:
    """A History's LossCurveDisplay; returns its axes."""
    return LossCurveDisplay(history).plot(ax).ax_


def history_as_png(history: Mapping[str, Sequence[float]]) -> bytes:
    """A small plot of a History as PNG; does not change matplotlib's current figure."""
    figure = Figure(figsize=(4, 2.5), layout="constrained")
    LossCurveDisplay(history).plot(figure.subplots())
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=90)
    return image.getvalue()
