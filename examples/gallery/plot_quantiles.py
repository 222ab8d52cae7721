"""
Quantiles instead of a mean
===========================

A loss of quantiles makes a network say between which numbers most targets lie: here the progress of diabetes in a year
by the body mass index, for eight of ten patients. "ordered_quantile" has one network predict all of them, such that
they never cross.
"""
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

from fastmlp import MLP, Adam

bmi, y = load_diabetes(return_X_y=True, scaled=False)
bmi = bmi[:, [2]]
X, target = scale(bmi), scale(y)

net = MLP([1, 16, 3], activation="tanh", loss=("ordered_quantile", (0.1, 0.5, 0.9)), random_state=0)
net.fit(X, target, Adam(0.005), epochs=300)

grid = np.linspace(bmi.min(), bmi.max(), 200)
low, middle, high = net.predict((grid[:, None] - bmi.mean()) / bmi.std()).T * y.std() + y.mean()
figure, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
ax.scatter(bmi[:, 0], y, s=6, color="gray")
ax.fill_between(grid, low, high, alpha=0.3, label="eight of ten")
ax.plot(grid, middle, label="median")
ax.set(xlabel="body mass index", ylabel="progress of the disease")
ax.legend()

least, _, most = net.predict(X).T
inside = np.mean((target > least) & (target < most))
print(f"{inside:.0%} of the patients are inside")
plt.show()
