"""
What a network looks at
=======================

Integrated gradients say what each pixel adds to the logit of the class that is predicted. Red is for it, blue against.
"""
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from fastmlp import MLP, sensitivity

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
net = MLP([64, 100, 10], loss="cross_entropy", random_state=0)
net.fit(X_train, y_train, "adam", epochs=40)

shown = [np.flatnonzero(y_test == digit)[0] for digit in range(10)]
adds = sensitivity.integrated_gradients(net, X_test[shown])

figure, axes = plt.subplots(2, 10, figsize=(10, 2.3), layout="constrained")
largest = np.abs(adds).max()
for column, digit, added in zip(axes.T, X_test[shown], adds):
    column[0].imshow(digit.reshape(8, 8), cmap="gray_r")
    column[1].imshow(added.reshape(8, 8), cmap="RdBu_r", vmin=-largest, vmax=largest)
for ax in axes.flat:
    ax.set_axis_off()

# %%
# The mean over all rows of \|de/dx\| says which pixels the error depends on, whatever the digit.

from fastmlp import SensitivityDisplay  # noqa: E402

SensitivityDisplay.from_estimator(net, X_test, y_test, image_shape=(8, 8))
plt.show()
