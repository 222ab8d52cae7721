"""A pytest plugin that has skl2onnx convert fastmlp's estimators, for its own tests. What these share takes a model
with `predict`, `score` and `fit_transform` for a clustering, whose ONNX has two outputs: MLPRegressor, which can
transform too, is shown to them without."""
import fastmlp
from fastmlp import export


class Absent:
    """An attribute that is not there."""

    def __get__(self, instance, owner):
        raise AttributeError


fastmlp.MLPRegressor.fit_transform = Absent()
export.register_skl2onnx()
