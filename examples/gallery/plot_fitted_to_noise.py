"""
Too sensitive: fitted to noise
==============================

100 rows are few for a network of 1200 weights: it learns the noise of the data, and then reacts to small changes of
its input. A penalty on the gradient by the input holds it back.
"""
import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

from fastmlp import MLP, sensitivity

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(scale(X), scale(y), train_size=100, random_state=0)

networks = {}
for penalty in (0, 2):
    net = networks[penalty] = MLP([10, 100, 1], activation="tanh", random_state=0)
    net.fit(X_train, y_train, "adam", epochs=1500, gradient_penalty=penalty)
    report = sensitivity.report(net, X_train, y_train, X_test, y_test, random_state=0)
    print(f"gradient_penalty={penalty}: R^2 on new rows {net.score(X_test, y_test):.2f}\n  {report.verdict}")

# %%
# The error on the rows that it was trained on, with noise on the input.

figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
sigmas = [0, 0.05, 0.1, 0.2, 0.3, 0.5]
for penalty, net in networks.items():
    curve = sensitivity.noise_curve(net, X_train, y_train, sigmas, random_state=0)
    line, = ax.plot(sigmas, curve.error, "o-", label=f"gradient_penalty={penalty}")
    ax.axhline(net.evaluate(X_test, y_test), ls=":", color=line.get_color())
ax.set(xlabel="standard deviation of the noise", ylabel="squared error", title="dotted: on new rows, without noise")
ax.legend()
plt.show()
