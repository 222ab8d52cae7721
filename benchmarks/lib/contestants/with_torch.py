"""PyTorch: tensors loaded once, no DataLoader. Its choices are one thread or all, the fused or the foreach optimiser,
and rows that are put in order once an epoch and then sliced, or gathered batch by batch; what is faster depends on the
network. Compiled adds torch.compile of the loss with its derivatives."""
import torch
from torch import nn

from . import BETA1, BETA2, LR, Contestant

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}
OPTIMIZERS = ("fused", "foreach")


class PyTorch(Contestant):
    def build(self):
        w = self.w
        self.ways = (("slices", "gathered"), OPTIMIZERS, (self.threads, 1) if self.threads > 1 else (1,))
        torch.set_num_threads(self.threads)
        self.X, self.y = torch.from_numpy(self.X), torch.from_numpy(self.y)
        if w.convs:
            self.X = self.X.reshape(w.rows, *w.image).permute(0, 3, 1, 2).contiguous()
        elif not w.classes:
            self.y = self.y.reshape(w.rows, -1)
        self.net = nn.Sequential(*self.layers())
        self.parametric = [layer for layer in self.net if hasattr(layer, "weight")]
        self.adam = {name: torch.optim.Adam(self.net.parameters(), LR, (BETA1, BETA2), self.eps, **{name: True})
                     for name in OPTIMIZERS}
        self.value = self.error

    def use(self):
        torch.set_num_threads(self.way[-1])

    @property
    def ways_to_predict(self):
        return self.ways[-1:]

    def layers(self):
        w, made, theta = self.w, [], ACTIVATIONS[self.w.activation]
        for W, b in w.weights(self.dtype):
            if W.ndim == 4:
                layer, weight = nn.Conv2d(W.shape[2], W.shape[3], W.shape[0]), W.transpose(3, 2, 0, 1)
                made += [layer, nn.ReLU(), nn.MaxPool2d(2)]
            else:
                layer, weight = nn.Linear(*W.shape), self.reordered(W).T
                made += [*([nn.Flatten()] if w.convs and len(made) == 3 * len(w.convs) else []), layer, theta()]
            layer.weight.data, layer.bias.data = torch.from_numpy(weight.copy()), torch.from_numpy(b)
        return made[:-1]

    def reordered(self, W, back=False):
        """The rows of the first matrix after a convolution, whose maps have channels last here and first there."""
        w = self.w
        if not w.convs or len(W) != w.sizes[0]:
            return W
        channels = w.convs[-1][0]
        side = round((len(W) / channels) ** 0.5)
        shape, axes = ((channels, side, side, -1), (1, 2, 0, 3)) if back else ((side, side, channels, -1), (2, 0, 1, 3))
        return W.reshape(shape).transpose(axes).reshape(W.shape)

    def error(self, x, y):
        x = self.net(x)
        if self.w.classes:
            return nn.functional.cross_entropy(x, y)
        mean = nn.functional.mse_loss(x, y)
        return mean if x.shape[1] == 1 else mean * x.shape[1]  # the sum over outputs; a factor of 1 takes time too

    def batches(self, rows):
        order = torch.randperm(self.w.rows) if self.shuffle else torch.arange(self.w.rows)
        b = self.w.batch
        if b == self.w.rows:
            return [(self.X, self.y)]
        if rows == "slices":
            return zip(self.X[order].split(b), self.y[order].split(b))
        return ((self.X[rows], self.y[rows]) for rows in order.split(b))

    def epoch(self):
        rows, optimizer, _ = self.way
        optimizer = self.adam[optimizer]
        for x, y in self.batches(rows):
            optimizer.zero_grad()
            self.value(x, y).backward()
            optimizer.step()

    def loss(self):
        with torch.no_grad():
            return self.error(self.X, self.y).item()

    def weights(self):
        arrays = [(layer.weight.detach().numpy(), layer.bias.detach().numpy().copy()) for layer in self.parametric]
        return [(W.transpose(2, 3, 1, 0) if W.ndim == 4 else self.reordered(W.T, back=True).copy(), b)
                for W, b in arrays]

    def gradient(self):
        self.net.zero_grad()
        loss = self.value(self.X, self.y)
        loss.backward()
        return loss

    def settle(self, X):
        return torch.from_numpy(X)

    def predict(self, X):
        with torch.inference_mode():
            x = self.net(X)
            return (nn.functional.softmax(x, 1) if self.w.classes else x).numpy()


class Compiled(PyTorch):
    """The loss and its derivatives by torch.compile."""

    def build(self):
        super().build()
        torch.compiler.reset()
        self.value = torch.compile(self.error, dynamic=False)
        try:
            for m in {self.w.batch, self.w.rows % self.w.batch or self.w.batch}:  # the batches' sizes
                self.value(self.X[:m], self.y[:m]).backward()
        except Exception as error:  # no C++ compiler, and whatever else it meets
            raise NotImplementedError(f"torch.compile: {str(error).strip().splitlines()[0]}") from error
