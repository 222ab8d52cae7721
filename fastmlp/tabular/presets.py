"""What the estimators do unless told otherwise: one row a preset.

The numbers were found on a part of the tables of benchmarks/run/tables.py, all of them at once; docs/guide/tables.md
and benchmarks/results/tables_choices.md have what other choices gave.
"""
from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Kind:
    """What differs between members.

    hidden : units of the hidden layers. activation : of them. learning_rate, beta2 : of AdamW. epochs : most of them,
    where the cosine of the rate ends. patience : epochs without anything better before a member stops. dropped : the
    share of the features that a step of training does not see, of tables with many columns of numbers.
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
    """How to encode, what to train and for how long.

    classifiers, regressors : how many networks. classifying, regressing : their kinds, which they have by turns.
    bins : most parts of a number's range. values_of_a_bin : how many numbers of a table there are for each at least.
    common : the share of the rows from which a value has a feature of its own. part_scale : what those features are
        multiplied by: the scaled number is learned first, its parts where they pay. levels : most levels of a category
        with a feature of their own.
    many : columns of numbers from which on features are dropped in training: some then tell what others tell, which
        those of categories often do not.
    dropout : of hidden units in training. weight_decay : of AdamW.
    steps_an_epoch : how many batches the rows are cut into, as far as `batches`, the least and most rows of one, allow.
    folds : least number of parts of the rows, one of which a member holds out.
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
