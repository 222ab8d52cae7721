"""
Digits in two numbers
=====================

``MLPAutoencoder`` squeezes each image of 64 pixels into two numbers and draws it again from these. It was never told
which digit is which.
"""
import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from fastmlp import MLPAutoencoder

X, y = load_digits(return_X_y=True)
X = X / 16
model = MLPAutoencoder((64, 2), activation=["silu", "identity", "silu"], max_iter=100, batch_size=64,
                       learning_rate_init=0.003, dtype="float32", restore_best=True, random_state=0)
warnings.simplefilter("ignore", ConvergenceWarning)  # 100 epochs are what we want
code = model.fit_transform(X)

figure, ax = plt.subplots(figsize=(6, 4.5), layout="constrained")
points = ax.scatter(*code.T, c=y, s=6, cmap="tab10")
figure.colorbar(points, ticks=range(10), label="digit")
ax.set(xlabel="first number", ylabel="second number")

# %%
# Digits, and below each what the two numbers have kept of it.

figure, axes = plt.subplots(2, 10, figsize=(10, 2.3), layout="constrained")
for column, digit, again in zip(axes.T, X, model.inverse_transform(code[:10])):
    for ax, image in zip(column, (digit, again)):
        ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        ax.set_axis_off()
plt.show()
