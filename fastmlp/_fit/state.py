"""What a fit leaves for the next partial_fit."""
import numpy as np

from .. import _core


class State:
    """The optimiser, its state, and how many epochs it has seen.

    slots : the optimiser's arrays, laid out as the parameters. powers : float64 (2,), the running powers of beta1 and
    beta2.
    """

    def __init__(self, net, optimizer):
        self.optimizer = optimizer
        self.slots = [net._core.like_params() for _ in range(_core.STEPS[optimizer.step][1])]
        self.powers = np.ones(2)
        self.epoch = 0

    @classmethod
    def following(cls, previous, net, optimizer):
        """The state to train with after another, or after None: that other one where its optimiser is of the same kind,
        now with the new one's numbers, else a fresh one."""
        if previous is None or previous.optimizer.step != optimizer.step:
            return cls(net, optimizer)
        previous.optimizer = optimizer
        return previous

    def export(self, net):
        """As a dict of the optimiser, flat arrays (n_params,) and numbers, for files and copies."""
        slots = [net._taken(slot) for slot in self.slots]
        return {"optimizer": self.optimizer, "slots": slots, "powers": self.powers.copy(), "epoch": self.epoch}

    @classmethod
    def restore(cls, net, exported):
        """The state that export gave, of this network."""
        self = cls(net, exported["optimizer"])
        for slot, flat in zip(self.slots, exported["slots"]):
            net._put(flat, slot)
        self.powers, self.epoch = exported["powers"].copy(), exported["epoch"]
        return self
