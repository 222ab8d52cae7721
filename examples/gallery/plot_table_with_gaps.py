"""
A table as it comes
===================

Penguins of the Palmer Station: measures, islands, sexes, and gaps where nothing was written down. ``TabularClassifier``
takes the DataFrame as it is.
"""
import matplotlib.pyplot as plt
import numpy as np
from palmerpenguins import load_penguins
from sklearn.model_selection import train_test_split

from fastmlp import TabularClassifier

penguins = load_penguins().drop(columns="year")
X, y = penguins.drop(columns="species"), penguins["species"]
print(X.isna().sum())

# %%
# A classifier trains several networks and averages them; for so few rows that takes a moment.

X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
model = TabularClassifier(random_state=0).fit(X_train, y_train)
print(f"{model.score(X_test, y_test):.1%} of new penguins are right")

# %%
# What matters to it, and how probable each species is by the measures of the bill, for an otherwise unknown penguin.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
order = np.argsort(model.feature_importances_)
left.barh(np.array(X.columns)[order], np.array(model.feature_importances_)[order])
left.set(title="importance")

bill, depth = np.meshgrid(np.linspace(32, 60, 60), np.linspace(13, 22, 60))
unknown = X.iloc[np.zeros(bill.size, int)].assign(
    bill_length_mm=bill.ravel(), bill_depth_mm=depth.ravel(), island=None, flipper_length_mm=np.nan, body_mass_g=np.nan,
    sex=None)
p = model.predict_proba(unknown)
right.imshow(p.reshape(*bill.shape, 3), extent=(32, 60, 13, 22), origin="lower", aspect="auto", alpha=0.6)
for k, species in enumerate(model.classes_):
    rows = penguins["species"] == species
    right.scatter(X["bill_length_mm"][rows], X["bill_depth_mm"][rows], s=8, label=species, color=np.eye(3)[k] * 0.7)
right.set(xlabel="bill length, mm", ylabel="bill depth, mm")
right.legend(fontsize=8)
plt.show()
