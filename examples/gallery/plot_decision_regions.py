"""
Regions of three classes, by name
=================================

Three wines by two of their measures. Labels may be text: the network keeps the names.
"""
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale

from fastmlp import MLP

wine = load_wine()
X = scale(wine.data[:, [0, 6]])  # alcohol and flavanoids
y = np.array(["Barolo", "Grignolino", "Barbera"])[wine.target]

net = MLP([2, 32, 32, 3], activation="tanh", loss="cross_entropy", random_state=0)
net.fit(X, y, "adam", epochs=100)
print(net.classes, f"{net.score(X, y):.1%} right")

# %%
# The colour is the class, and how strong it is says how sure the network is.

span = np.linspace(-2.6, 3.3, 200)
across, up = np.meshgrid(span, span)
p = net.predict(np.column_stack([across.ravel(), up.ravel()]))
colours = np.array([[0.75, 0.2, 0.2], [0.2, 0.55, 0.3], [0.25, 0.35, 0.75]])
sure = (p.max(axis=1, keepdims=True) - 1 / 3) * 1.5
picture = 1 - sure * 0.6 * (1 - colours[p.argmax(axis=1)])

figure, ax = plt.subplots(figsize=(6, 5), layout="constrained")
ax.imshow(picture.reshape(200, 200, 3), extent=(span[0], span[-1]) * 2, origin="lower")
for name, colour in zip(net.classes, colours):
    ax.scatter(*X[y == name].T, s=14, color=colour, edgecolor="white", lw=0.5, label=name)
ax.set(xlabel="alcohol, scaled", ylabel="flavanoids, scaled")
ax.legend()
plt.show()
