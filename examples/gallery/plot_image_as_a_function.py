"""
An image as a function
======================

A network of (x, y) that gives the colour there. With relu units it is a blur: they learn coarse shapes first. With
units that are sines, which oscillate at several scales, it draws the flower (Sitzmann et al. 2020).
"""
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

from fastmlp import MLP, Adam, Dense, schedules

image = load_sample_image("flower.jpg")[::5, ::5] / 255
rows, columns, _ = image.shape
y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
X, colours = np.stack([x, y], axis=-1).reshape(-1, 2), image.reshape(-1, 3)

networks = {
    "relu": MLP([2, 64, 64, 3], random_state=0),
    "sin": MLP([2, Dense(64, "sin", init="lecun_normal"), Dense(64, "sin"), 3], random_state=0),
}
networks["sin"].W[1][...] *= 15  # the sines' frequencies
for name, net in networks.items():
    net.fit(X, colours, Adam(schedules.Cosine(0.005, 40)), epochs=40, batch_size=256)
    print(f"{name}: mean squared error {net.evaluate(X, colours) / 3:.4f}")

figure, axes = plt.subplots(1, 3, figsize=(10, 2.7), layout="constrained")
pictures = {"the image": image} | {name: net.predict(X).reshape(image.shape) for name, net in networks.items()}
for ax, (name, picture) in zip(axes, pictures.items()):
    ax.imshow(picture.clip(0, 1))
    ax.set_title(name)
    ax.set_axis_off()
plt.show()
