"""
Rates and optimisers side by side
=================================

``fit_many`` trains networks side by side, one thread each, on one copy of the data.
"""
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from fastmlp import MLP, SGD, Adam, Lion, fit_many, schedules

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)

rates = np.logspace(-4, 0, 9)
makes = {"SGD, momentum 0.9": lambda lr: SGD(lr, momentum=0.9), "Adam": Adam, "Lion": Lion,
         "Adam, cosine": lambda lr: Adam(schedules.Cosine(lr, 15))}
figure, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for name, make in makes.items():
    nets = [MLP([64, 100, 10], loss="cross_entropy", random_state=0) for _ in rates]
    fit_many(nets, X_train, y_train, epochs=15, each=[{"optimizer": make(lr)} for lr in rates])
    ax.plot(rates, [net.score(X_test, y_test) for net in nets], "o-", ms=4, label=name)
ax.set(xscale="log", xlabel="rate", ylabel="accuracy on new digits after 15 epochs", ylim=(0.85, 1))
ax.legend()
plt.show()
