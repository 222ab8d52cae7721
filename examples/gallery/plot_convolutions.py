"""
Convolutions
============

Filters that are the same at each place of an image have few weights and need few rows. Here 200 digits to learn from.
"""
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from fastmlp import MLP, Conv2D, Dropout, MaxPool2D

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, train_size=200, random_state=0, stratify=y)

networks = {
    "dense": MLP([64, 100, 10], loss="cross_entropy", random_state=0),
    "convolutions": MLP([(8, 8, 1), Conv2D(16, 3, "relu", padding="same"), Conv2D(32, 3, "relu"), MaxPool2D(2),
                         Dropout(0.5), 10], loss="cross_entropy", random_state=0),
}
figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name, net in networks.items():
    history = net.fit(X_train, y_train, "adam", epochs=80, batch_size=20, validation_data=(X_test, y_test),
                      metrics="accuracy")
    ax.plot(history["val_accuracy"], label=f"{name}, {net.n_params} parameters")
    print(f"{name}: {net.score(X_test, y_test):.1%} of new digits are right")
ax.set(xlabel="epoch", ylabel="accuracy on new digits", ylim=(0.8, 1))
ax.legend()

# %%
# The filters of the first layer, and what they make of a digit.

net = networks["convolutions"]
filters, maps = net.W[1], net.forward(X_test[:1]).x[1].reshape(8, 8, 16)
figure, axes = plt.subplots(2, 16, figsize=(12, 1.8), layout="constrained")
for k, (above, below) in enumerate(axes.T):
    above.imshow(filters[:, :, 0, k], cmap="RdBu_r", vmin=-0.6, vmax=0.6)
    below.imshow(maps[:, :, k], cmap="gray_r")
for ax in axes.flat:
    ax.set_axis_off()
plt.show()
