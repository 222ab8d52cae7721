from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastmlp._engine.requests import (
    AttackNumbers,
    Batches,
    Division,
    Exchange,
    Objective,
    Penalty,
    Repeats,
    Settle,
    State,
    Step,
    Sums,
)

__all__ = ["ACTIVATIONS", "COMPILER", "Core", "Data", "ISA", "KINDS", "LINKS", "LOSSES", "MOST_THREADS", "Meeting",
           "PENALTIES", "SOURCES", "STEPS", "Team", "WHOLE", "all_finite", "available_isas", "borrow_team",
           "choose_isa", "copy", "cores", "function", "largest", "phases", "shuffle"]

_Floats: TypeAlias = NDArray[np.floating[Any]]
_Integers: TypeAlias = NDArray[np.int64]

ACTIVATIONS: dict[str, tuple[int, float]]
LINKS: dict[str, int]
LOSSES: dict[str, tuple[int, int, float]]
STEPS: dict[str, tuple[int, int]]
SOURCES: dict[np.dtype[Any], int]
KINDS: dict[str, int]
PENALTIES: dict[str, int]
ISA: str
COMPILER: str
MOST_THREADS: int
WHOLE: int

def available_isas() -> list[str]: ...
def choose_isa() -> str: ...
def cores() -> int: ...
def phases() -> dict[str, list[int]] | None: ...
def function(name: str, x: _Floats, isa: str | None = None) -> _Floats: ...
def all_finite(a: _Floats) -> bool: ...
def largest(a: _Floats) -> float: ...
def copy(to: Sequence[_Floats], of: Sequence[_Floats]) -> None: ...
def shuffle(places: _Integers, seed: int, epoch: int, first: int = 0, n: int | None = None) -> None: ...

class Team:
    n: int
    def __new__(cls, n: int) -> Team: ...

class borrow_team:
    def __init__(self, n: int, auto: bool = False) -> None: ...
    def __enter__(self) -> Team: ...
    def __exit__(self, *exception: object) -> None: ...

class Meeting:
    BYTES: int
    def __new__(cls, memory: NDArray[np.uint8], rank: int, size: int) -> Meeting: ...
    def meet(self) -> None: ...
    def sums(self, numbers: NDArray[np.float64]) -> None: ...

class Data:
    n: int
    d: int
    dtype: np.dtype[Any]
    loss: Callable[[_Integers, _Floats], tuple[_Floats, _Floats]] | None
    weight_sum: float
    sample_weight: _Floats | None
    stacked: NDArray[np.uint8] | None
    def __init__(
        self,
        X: Any,
        targets: Any = None,
        weight: _Floats | None = None,
        loss: Callable[[_Integers, _Floats], tuple[_Floats, _Floats]] | None = None,
        stacked: NDArray[np.uint8] | None = None,
    ) -> None: ...
    def weight_of(self, rows: _Integers | None) -> float: ...

@final
class Core:
    P: _Floats
    statistics: _Floats
    dtype: np.dtype[Any]
    takes_differences: bool
    n_params: int
    work: int
    settles: bool
    block_rows: int
    chunk_rows: int
    def __new__(
        cls,
        d: Sequence[int],
        layers: Sequence[dict[str, Any]],
        loss: tuple[int, float | tuple[float, ...]],
        link: int,
        dtype: DTypeLike,
        tail: tuple[int, int] = (0, 0),
        rounds: bool = False,
        members: int = 1,
    ) -> Core: ...
    def tail(self) -> tuple[int, int]: ...
    def tie(
        self,
        home: _Integers,
        begin: _Integers,
        member: _Integers,
        scale: NDArray[np.float64],
        frozen: _Integers,
        value: NDArray[np.float64],
        whole: Sequence[tuple[int, int, bool, bool]],
    ) -> None: ...
    def like_params(self) -> _Floats: ...
    def flat(self, of: _Floats) -> _Floats: ...
    def weight(self, l: int, of: NDArray[Any] | None = None) -> NDArray[Any] | None: ...
    def bias(self, l: int, of: NDArray[Any] | None = None) -> NDArray[Any] | None: ...
    @property
    def forms_size(self) -> int: ...
    def parts(self, ranks: int) -> _Integers: ...
    def one_thread_pays(self, batch: int) -> bool: ...
    def train(
        self,
        data: Data,
        team: Team,
        batches: Batches,
        step: Step,
        state: State,
        objective: Objective,
        exchange: Exchange | None = None,
        settle: Settle | None = None,
        division: Division | None = None,
    ) -> Sums: ...
    def train_epochs(
        self, data: Data, team: Team, batches: Batches, step: Step, state: State, repeats: Repeats
    ) -> int: ...
    def gradient(
        self, data: Data, team: Team, penalty: Penalty = ..., key: int = 0, V: _Floats | None = None
    ) -> tuple[float, _Floats]: ...
    def evaluate(self, data: Data, team: Team, rows: _Integers | None = None) -> float: ...
    def predict(
        self, data: Data, team: Team, rows: _Integers | None = None, linked: bool = True
    ) -> _Floats: ...
    def evaluate_and_predict(
        self, data: Data, team: Team, rows: _Integers | None = None
    ) -> tuple[float, _Floats]: ...
    def predict_small(self, X: Any) -> _Floats | None: ...
    def pull(self, data: Data, team: Team, seed: _Floats | None = None) -> tuple[_Floats, _Floats]: ...
    def push(self, data: Data, team: Team, seed: _Floats) -> _Floats: ...
    def attack(self, data: Data, team: Team, attack: AttackNumbers, key: int) -> _Floats: ...
    def sweep(self, data: Data, backward: bool, team: Team) -> dict[str, Any]: ...
