from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats = NDArray[np.floating[Any]]
Attack = tuple[tuple[int, float, float, float, float], int, bool]  # numbers of attack_t, steps, from a random place

ACTIVATIONS: dict[str, tuple[int, float]]
LINKS: dict[str, int]
LOSSES: dict[str, tuple[int, int, float]]
STEPS: dict[str, tuple[int, int]]
SOURCES: dict[np.dtype[Any], int]
KIND_NAMES: dict[str, int]
PENALTIES: dict[str, int]
ISA: str
COMPILER: str
MOST_THREADS: int
scratch_fill: bytes | None

def available_isas() -> list[str]: ...
def choose_isa() -> str: ...
def cores() -> int: ...
def phases() -> dict[str, list[int]] | None: ...
def aligned(shape: int | tuple[int, ...], dtype: DTypeLike) -> Floats: ...
def function(name: str, x: Floats, isa: str | None = None) -> Floats: ...
def all_finite(a: Floats) -> bool: ...
def largest(a: Floats) -> float: ...
WHOLE: int

def shuffle(order: NDArray[np.int64], seed: int, epoch: int, first: int = 0, n: int | None = None) -> None: ...

class Team:
    n: int
    def __init__(self, n: int) -> None: ...

class team:
    def __init__(self, n: int, auto: bool = False) -> None: ...
    def __enter__(self) -> Team: ...
    def __exit__(self, *exception: object) -> None: ...

class Data:
    n: int
    d: int
    weight_sum: float
    sample_weight: Floats | None
    def weight_of(self, rows: NDArray[np.int64] | None) -> float: ...
    def __init__(
        self,
        X: Any,
        targets: NDArray[Any] | None = None,
        weight: Floats | None = None,
        loss: Callable[[NDArray[np.int64], Floats], tuple[Floats, Floats]] | None = None,
    ) -> None: ...

class Core:
    P: Floats
    dtype: np.dtype[Any]
    rows: int
    n_params: int
    work: int
    block_rows: int
    chunk_rows: int
    def __init__(
        self,
        sizes: Sequence[int],
        layers: Sequence[tuple[int, int, float, bool, tuple[int, ...]]],
        loss: tuple[int, float],
        link: int,
        dtype: DTypeLike,
        tail: tuple[int, int] = (0, 0),
    ) -> None: ...
    def tail(self) -> tuple[int, int]: ...
    def tie(
        self,
        home: NDArray[np.int64],
        begin: NDArray[np.int64],
        member: NDArray[np.int64],
        scale: NDArray[np.float64],
        frozen: NDArray[np.int64],
        value: NDArray[np.float64],
        whole: Sequence[tuple[int, int, bool, bool]],
    ) -> None: ...
    def like_params(self) -> Floats: ...
    def flat(self, of: Floats) -> Floats: ...
    def weight(self, l: int, of: Floats | None = None) -> Floats | None: ...
    def bias(self, l: int, of: Floats | None = None) -> Floats | None: ...
    def train(
        self,
        data: Data,
        order: NDArray[np.int64],
        weight_scale: float,
        batch: int,
        first: int,
        last: int,
        step: tuple[int, float, float, float, float, float, float, float],
        S1: Floats | None,
        S2: Floats | None,
        powers: NDArray[np.float64],
        clip: float,
        key: int,
        team: Team,
        row_penalties: tuple[float, float] = (0.0, 0.0),
        noise: float = 0.0,
        penalty: tuple[int, float] = (0, 0.0),
        attack: Attack | None = None,
    ) -> tuple[float, int, float, float]: ...
    def one_thread_pays(self, batch: int) -> bool: ...
    def gradient(
        self, data: Data, team: Team, penalty: tuple[int, float] = (0, 0.0), key: int = 0, V: Floats | None = None
    ) -> tuple[float, Floats]: ...
    def evaluate(self, data: Data, team: Team, rows: NDArray[np.int64] | None = None) -> float: ...
    def predict(self, data: Data, team: Team, rows: NDArray[np.int64] | None = None, linked: bool = True) -> Floats: ...
    def judge(self, data: Data, team: Team, rows: NDArray[np.int64] | None = None) -> tuple[float, Floats]: ...
    def pull(self, data: Data, team: Team, seed: Floats | None = None) -> tuple[Floats, Floats]: ...
    def push(self, data: Data, team: Team, seed: Floats) -> Floats: ...
    def attack(self, data: Data, team: Team, attack: Attack, key: int) -> Floats: ...
    def predict_small(self, X: Any) -> Floats | None: ...
    def sweep(self, data: Data, backward: bool, team: Team) -> dict[str, Any]: ...
