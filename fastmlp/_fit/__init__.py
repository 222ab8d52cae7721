"""Training: one loop over epochs, for MLP.fit, MLP.partial_fit and the estimators.

    options.py    what fit and partial_fit take, declared once, and its checks
    mlp.py        what MLP.fit and MLP.partial_fit do: bind the data, then the loop
    loop.py       the loop over epochs; a Plan says what a fit does around each of them
    epochs.py     one epoch: the call of the engine, and the way back from a step that led nowhere
    local.py      epochs of ranks that take steps of their own between averages
    average.py    the exponential moving average of the weights
    rates.py      what schedules give, epoch by epoch
    classes.py    weights of classes
    orders.py     which rows are trained on, and in which order
    windows.py    rows that are read a window at a time
    stream.py     batches that the user's own iterator gives
    cuts.py       where an epoch is cut into batches
    ranks.py      what several processes decide together; signals.py: signals meanwhile
    measures.py   numbers of rows that are measured after each epoch: losses, outputs, metrics
    scales.py     a warning where numbers are too large to train on
    history.py    the numbers of each epoch

What a fit leaves for the next partial_fit is in `Network.progress`.
"""
