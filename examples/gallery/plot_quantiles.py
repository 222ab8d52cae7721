"""
Quantiles instead of a mean
===========================

The quantile loss makes a network say between which numbers most targets lie: here the progress of diabetes in a year by
the body mass index, for eight of ten patients.
"""
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

from fastmlp import MLP, Adam, fit_many

bmi, y = load_diabetes(return_X_y=True, scaled=False)
bmi = bmi[:, [2]]
X, target = scale(bmi), scale(y)

quantiles = (0.1, 0.5, 0.9)
nets = [MLP([1, 16, 1], activation="tanh", loss=("quantile", q), random_state=0) for q in quantiles]
fit_many(nets, X, target, optimizer=Adam(0.005), epochs=300)

grid = np.linspace(bmi.min(), bmi.max(), 200)
low, middle, high = (net.predict((grid[:, None] - bmi.mean()) / bmi.std())[:, 0] * y.std() + y.mean() for net in nets)
figure, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
ax.scatter(bmi[:, 0], y, s=6, color="gray")
ax.fill_between(grid, low, high, alpha=0.3, label="eight of ten")
ax.plot(grid, middle, label="median")
ax.set(xlabel="body mass index", ylabel="progress of the disease")
ax.legend()

inside = np.mean((target > nets[0].predict(X)[:, 0]) & (target < nets[2].predict(X)[:, 0]))
print(f"{inside:.0%} of the patients are inside")
plt.show()
