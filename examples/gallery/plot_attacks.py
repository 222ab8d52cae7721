"""
Attacks, and training against them
==================================

Projected gradient descent moves each pixel by at most ``eps`` to where the loss is larger. A network that was trained
on such images withstands it longer.
"""
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from fastmlp import MLP, sensitivity

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)

plain, hardened = (MLP([64, 100, 10], loss="cross_entropy", random_state=0) for _ in range(2))
plain.fit(X_train, y_train, "adam", epochs=40)
hardened.fit(X_train, y_train, "adam", epochs=40, adversarial=sensitivity.Attack(eps=0.15, max_iter=7, clip=(0, 1)))

sizes = np.linspace(0, 0.3, 5)
figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name, net in (("plain", plain), ("trained against attacks", hardened)):
    moved = [sensitivity.pgd(net, X_test, y_test, eps, max_iter=10, clip=(0, 1)) if eps else X_test for eps in sizes]
    ax.plot(sizes, [net.score(images, y_test) for images in moved], "o-", label=name)
ax.set(xlabel="eps, of a range of 1", ylabel="accuracy on attacked images", ylim=(0, 1))
ax.legend()

# %%
# What such images look like, for the plain network: the digit, what was added, both, and what it is taken for.

moved = sensitivity.pgd(plain, X_test[:5], y_test[:5], 0.15, clip=(0, 1))
figure, axes = plt.subplots(3, 5, figsize=(6, 4), layout="constrained")
for column, digit, attacked in zip(axes.T, X_test, moved):
    shown = ((digit, "gray_r", 0), (attacked - digit, "RdBu_r", -1), (attacked, "gray_r", 0))
    for ax, (image, cmap, low) in zip(column, shown):
        ax.imshow(image.reshape(8, 8), cmap=cmap, vmin=low, vmax=1)
        ax.set_axis_off()
    column[0].set_title(str(plain.predict_labels(digit[None])[0]))
    column[2].set_title(str(plain.predict_labels(attacked[None])[0]))
plt.show()
