"""Training: one loop over epochs, for MLP.fit, MLP.partial_fit and the estimators.

    options.py        the options of fit and partial_fit, each declared once, and their checks
    mlp.py            MLP.fit and MLP.partial_fit: bind the data, then run the loop
    many.py           fit_many: independent networks at once; parallel.py: calls in several threads
    loop.py           the loop over epochs; a Plan says what a fit does around each of them
    epochs.py         one epoch: the calls of the engine, and how a step with a non-finite result is undone
    plain_epochs.py   epochs that minimise the mean loss only: short ones in one call of the engine
    local_sgd.py      epochs of ranks that take their own steps between averages (local SGD)
    resuming.py       epochs over windows, which can be resumed in the middle
    weight_average.py the exponential moving average of the weights
    rates.py          learning and dropout rates from schedules, epoch by epoch
    classes.py        names and weights of classes
    orders.py         which rows are trained on, and in which order
    mixup.py          rows that are mixed with other rows
    windows.py        rows that are read a window at a time
    stream.py         batches from the user's own iterator
    batches.py        how an epoch is divided into batches
    ranks.py          what several processes decide together, for a single process; collective.py: for several;
                      groups.py: ranks that are threads; signals.py: signals while ranks communicate
    measures.py       losses, outputs and metrics measured after each epoch
    unscaled.py       a warning about unscaled inputs or targets
    history.py        the logged values of each epoch

The state that the next partial_fit continues from is in `Network.progress`.
"""
