#!/bin/sh
# smoke.sh PYTHON FILE: installs a wheel or an sdist into a clean environment, a wheel where no compiler is to be found,
# and trains a network, without what is optional and then with scikit-learn.
set -eu
python=$1 file=$(realpath "$2")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
cd "$folder"
case $file in
*.whl) CC=/nonexistent venv/bin/python -m pip install --quiet --only-binary :all: "$file" ;;
*) venv/bin/python -m pip install --quiet "$file" ;;
esac
cat >smoke.py <<'END'
import sys

import numpy as np

import fastmlp

X = np.random.default_rng(0).standard_normal((200, 3))
net = fastmlp.MLP([3, 16, 1], random_state=0)
net.fit(X, X[:, 0] * X[:, 1], "adam", epochs=200)
assert net.score(X, X[:, 0] * X[:, 1]) > 0.8
net.save("net")
assert np.array_equal(fastmlp.MLP.load("net").predict(X), net.predict(X))
assert "sklearn" not in sys.modules
fastmlp.show_config()
END
venv/bin/python smoke.py
venv/bin/python -m pip install --quiet --only-binary :all: scikit-learn
venv/bin/python -W error::RuntimeWarning -c "
from fastmlp import MLPClassifier
from sklearn.datasets import load_iris
X, y = load_iris(return_X_y=True)
assert MLPClassifier(solver='lbfgs', max_iter=1000, random_state=0).fit(X, y).score(X, y) > 0.9"
echo "$(basename "$file"): works"
