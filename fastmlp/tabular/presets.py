"""The presets of the estimators: all tuned numbers, one row per preset.

They were tuned on a part of the tables of benchmarks/run/tables.py, on all of these together; docs/guide/tables.md and
benchmarks/results/tables_choices.md show the results of other choices.
"""
from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Kind:
    """The numbers that differ between members.

    hidden : units of the hidden layers. activation : of these. learning_rate, beta2 : of AdamW. epochs : the largest
    number, at which the cosine of the rate ends. patience : epochs without improvement before a member stops. dropped :
    the dropout rate of features in training, for tables with many numeric columns.
    """

    hidden: tuple[int, ...]
    activation: str
    learning_rate: float
    beta2: float
    epochs: int
    patience: int
    dropped: float = 0.0


QUICK_TO_CLASSIFY = Kind((128, 128), "relu", 1e-3, 0.999, 100, 20)
QUICK_TO_REGRESS = Kind((128, 128), "silu", 2e-3, 0.95, 120, 25)
CLASSIFYING = (replace(QUICK_TO_CLASSIFY, dropped=0.1), replace(QUICK_TO_CLASSIFY, hidden=(256, 256), dropped=0.1))
REGRESSING = (replace(QUICK_TO_REGRESS, hidden=(256, 256)),)


@dataclass(frozen=True)
class Preset:
    """How to encode columns, what to train and for how long.

    classifiers, regressors : the numbers of networks. classifying, regressing : their kinds, used in turn.
    bins : the largest number of parts of a number's range. values_of_a_bin : the least number of values per part.
    common : the fraction of rows above which a value has a feature of its own. part_scale : factor of the features of
        parts and common values; it is small, so that the scaled number is learned first. levels : the largest number of
        levels of a category with features of their own.
    many : the number of numeric columns above which features are dropped in training: with many columns some are
        redundant, which features of categories often are not.
    dropout : of hidden units in training. weight_decay : of AdamW.
    steps_an_epoch : the number of batches, as far as `batches`, the least and largest batch size, allows.
    folds : the least number of parts of the rows, one of which a member holds out.
    """

    classifiers: int = 8
    regressors: int = 5
    classifying: tuple[Kind, ...] = CLASSIFYING
    regressing: tuple[Kind, ...] = REGRESSING
    bins: int = 24
    values_of_a_bin: int = 4
    common: float = 0.02
    part_scale: float = 0.3
    levels: int = 128
    many: int = 10
    dropout: float = 0.2
    weight_decay: float = 0.03
    steps_an_epoch: int = 50
    batches: tuple[int, int] = (32, 256)
    folds: int = 5


PRESETS = {
    "fast": Preset(2, 2, (QUICK_TO_CLASSIFY,), (QUICK_TO_REGRESS,)),
    "default": Preset(),
    "best": Preset(24, 16, folds=10),
}
