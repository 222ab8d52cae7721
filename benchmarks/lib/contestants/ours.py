"""fastmlp, called as its users do: one thread where that is asked for, else as many as pay off."""
import fastmlp
from fastmlp import Conv2D, MaxPool2D

from . import BETA1, BETA2, LR, Contestant


class FastMLP(Contestant):
    def build(self):
        w = self.w
        layers = [layer for channels, k in w.convs for layer in (Conv2D(channels, k, "relu"), MaxPool2D(2))]
        dense = w.sizes[1:] if layers else w.sizes
        self.net = fastmlp.MLP([*([w.image] if layers else []), *layers, *dense], activation=w.activation,
                               dtype=self.dtype, loss="cross_entropy" if w.classes else "squared_error", random_state=0)
        self.places = [l for l, W in enumerate(self.net.W) if W is not None]
        for l, (W, b) in zip(self.places, w.weights(self.dtype)):
            self.net.W[l][...], self.net.b[l][...] = W, b
        self.options = dict(optimizer=fastmlp.Adam(LR, BETA1, BETA2, self.eps), batch_size=w.batch,
                            shuffle=self.shuffle, n_threads=1 if self.threads == 1 else None)

    def epoch(self):
        self.net.partial_fit(self.X, self.y, **self.options)

    def loss(self):
        return self.net.evaluate(self.X, self.y)

    def weights(self):
        return [(self.net.W[l].copy(), self.net.b[l].copy()) for l in self.places]

    def gradient(self):
        return self.net.loss_and_grad(self.X, self.y)

    def predict(self, X):
        return self.net.predict(X)
