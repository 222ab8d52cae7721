"""What the estimators do unless told otherwise: one row a preset. How each number was found: benchmarks/results."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """How to encode, what to train and for how long.

    n_members : networks. bins : parts of a number's range (PLE). hidden : units of the hidden layers. activation : of
    them. dropout : of hidden units in training. learning_rate, weight_decay, beta2 : of AdamW. epochs : most of them,
    where the cosine ends. patience : epochs without anything better before a member stops. steps_an_epoch : how many
    batches the rows are cut into, as far as their sizes are within `batches`.
    """

    n_members: int = 4
    bins: int = 24
    distinct: int = 24
    levels: int = 128
    hidden: tuple[int, ...] = (256, 256)
    activation: str = "relu"
    dropout: float = 0.2
    input_dropout: float = 0.0
    learning_rate: float = 1e-3
    weight_decay: float = 0.03
    beta2: float = 0.999
    epochs: int = 60
    patience: int = 15
    steps_an_epoch: int = 50
    batches: tuple[int, int] = (32, 256)
    centre: bool = False
    folds: int = 5
    init: str = "he_normal"


PRESETS = {
    "fast": Preset(n_members=2),
    "default": Preset(),
    "best": Preset(n_members=16),
}
