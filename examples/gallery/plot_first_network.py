"""
A first network
===============

The digits that come with scikit-learn are images of 8 x 8 pixels. A network with one hidden layer tells them apart.
"""
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from fastmlp import MLP

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)

net = MLP([64, 100, 10], loss="cross_entropy", random_state=0)
history = net.fit(X_train, y_train, "adam", epochs=40, validation_data=(X_test, y_test), metrics="accuracy")
print(f"{net.score(X_test, y_test):.1%} of new digits are right")

# %%
# ``fit`` returns a History, which draws itself.

history.plot()

# %%
# The digits of which the network is the least sure, with what it takes them for.

p = net.predict(X_test)
unsure = p.max(axis=1).argsort()[:10]
figure, axes = plt.subplots(2, 5, figsize=(7, 3.4), layout="constrained")
for ax, i in zip(axes.flat, unsure):
    ax.imshow(X_test[i].reshape(8, 8), cmap="gray_r")
    ax.set_title(f"{p[i].argmax()} ({p[i].max():.0%}), is {y_test[i]}", fontsize=8,
                 color="black" if p[i].argmax() == y_test[i] else "firebrick")
    ax.set_axis_off()
plt.show()
