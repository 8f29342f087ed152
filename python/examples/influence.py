"""Which training labels are wrong? The influence of digits on the predictions of a PyTorch model.

python influence.py      # needs torch; takes seconds, and continues after Ctrl-C
"""

from pathlib import Path

import lazy_chunks
import numpy as np
import torch

DATA = Path(__file__).parents[2] / "crates/lazy-chunks/examples/shared/data/digits.csv.gz"

# 5 % of the 1,400 digits to train on get another label.
torch.manual_seed(1)
digits = torch.tensor(np.loadtxt(DATA, delimiter=",", dtype="float32"))
digits = digits[torch.randperm(len(digits))]
x, true_labels = digits[:, :-1] / 16, digits[:, -1].long()
labels, wrong = true_labels.clone(), torch.randperm(1400)[:70]
labels[wrong] = (labels[wrong] + torch.randint(1, 10, (70,))) % 10
(x, x_test), (labels, labels_test) = x.split(1400), labels.split(1400)

model = torch.nn.Linear(64, 10)
optimizer = torch.optim.LBFGS(model.parameters(), max_iter=200)


def loss():
    optimizer.zero_grad()
    value = torch.nn.functional.cross_entropy(model(x), labels)
    value = value + 1e-3 * model.weight.square().sum()
    value.backward()
    return value


optimizer.step(loss)


def gradients(x, labels):
    """Return the gradient of each digit's loss: its error in each class times its pixels."""
    with torch.no_grad():
        errors = model(x).softmax(1) - torch.nn.functional.one_hot(labels, 10)
    return torch.einsum("nc,np->ncp", errors, x).flatten(1)


train, test = gradients(x, labels), gradients(x_test, labels_test)
curvature = torch.linalg.inv(train.T @ train / len(train) + 1e-2 * torch.eye(640))

# The influence of each digit on each prediction, in blocks of 100 × 200, in one pass.
influence = lazy_chunks.from_regions(
    (lazy_chunks.split(len(test), 100), lazy_chunks.split(len(train), 200)),
    lambda rows, columns: -test[rows] @ curvature @ train[columns].T,
)
array, found = lazy_chunks.store(
    influence,
    "influence.zarr",
    resume="influence of digits",
    dims=["test", "train"],
    overwrite=True,
    stats={"mean": lazy_chunks.stats.mean(axis=0), "largest": "top:3"},
)
print(array, array.verify())

# A digit with a wrong label has a large gradient, in the measure of the curvature.
own = (train @ curvature * train).sum(1)
suspects = own.argsort(descending=True)[:70]
n_found = len(set(suspects.tolist()) & set(wrong.tolist()))
print(f"{n_found} of the 70 digits with the largest influence on themselves have a wrong label")
