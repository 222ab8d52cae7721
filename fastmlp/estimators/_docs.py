"""Common parts of the estimators' docstrings."""

PARAMETERS = """\
    hidden_layer_sizes : units of the hidden layers, an int or array-like; () for none. Default (100,).
    activation : of the hidden layers: "identity", "logistic", "tanh", "relu" or any name of fastmlp.activations(); or a
        list, one for each hidden layer, of names or pairs (name, number). Default "relu".
    solver : "adam", "sgd", or "lbfgs" for L-BFGS-B on all rows, which uses the training loss only: it supports
        callbacks and max_time, but not optimizer, l1, dropout, input_noise, gradient_clip, monitor or validation_data,
        and ignores early_stopping, as scikit-learn does. Default "adam".
    alpha : L2 penalty alpha/2 ||W||^2, added to the sum of a batch's losses, for weights, not biases. Default 1e-4.
    batch_size : rows per step, or "auto" for min(200, n_samples).
    learning_rate : for "sgd": "constant"; "invscaling", learning_rate_init / t^power_t; "adaptive", divided by 5
        whenever there was no improvement for n_iter_no_change epochs, which are then counted anew. For both solvers: a
        callable of the epoch (0, 1, ..), such as those of fastmlp.schedules.
    learning_rate_init : Default 1e-3.
    power_t : the exponent of "invscaling". Default 0.5.
    max_iter : largest number of epochs, or of iterations of L-BFGS. Default 200.
    shuffle : a new random order of the rows in each epoch. Default True.
    random_state : None, an int or a RandomState: for weights, held-out rows, the order of rows, dropout.
    tol : the smallest improvement that counts. Default 1e-4.
    verbose : print the loss of each epoch.
    warm_start : fit continues from the last fit's weights, with its optimiser state, its random numbers, and its
        learning rate, unless solver, optimizer, learning_rate or learning_rate_init were changed. The best value and
        the patience continue if the same quantity of the same rows is monitored and the last fit was not ended by
        patience; otherwise they start anew. loss_curve_ is extended. "lbfgs" keeps only weights: it begins without a
        memory of the curvature, and a fit after it has a new optimiser state, rate and curve. Callbacks start anew in
        each fit. Default False.
    momentum, nesterovs_momentum : of "sgd". Default 0.9, True.
    early_stopping : hold out validation_fraction of the rows, stop when their score does not improve, and keep the best
        weights. Default False.
    validation_fraction : Default 0.1.
    beta_1, beta_2, epsilon : of "adam".
    n_iter_no_change : epochs without improvement before training stops. Default 10.
    max_fun : largest number of evaluations in L-BFGS. Default 15000.
    dtype : "float32" or "float64", of weights and computations; None for that of X (float64 with "lbfgs"). float32 is
        about twice as fast.
    precision : "full", or "bfloat16" with dtype "float32", which is then also the meaning of None: operands of products
        in training and prediction are rounded to bfloat16, see fastmlp.MLP. L-BFGS always trains in full precision.
        Default "full".
    n_threads : threads to use, None for as many as are useful and allowed by OMP_NUM_THREADS and threadpoolctl. Results
        do not depend on it.
    optimizer : a spec such as fastmlp.Adam(), or a name, "adam", instead of solver, rates and momentum; its penalties
        are added to alpha's.
    l1 : L1 penalty l1 ||W||_1, added to the sum of a batch's losses, like alpha. Default 0.
    dropout : the dropout rate of the hidden units' outputs, or a list, one for each hidden layer.
    gradient_penalty : lam, adds lam/2 times the mean over rows of ||de_i/dx_i||^2 to the loss, where e_i is the loss
        that the solver minimises: makes the fit less sensitive to its input (Drucker and LeCun 1992). Default 0.
    input_noise : standard deviation of normal noise added to X in training, drawn anew in each epoch. Default 0.
    gradient_clip : largest Euclidean norm of a step's gradient, None for no limit.
    monitor : the value to which patience is applied: "loss"; "score", the estimator's own; the name of a scorer, such
        as "neg_log_loss", or a scorer. None: the score of held-out rows if there are any, else the training loss.
    restore_best : restore the weights of the epoch with the best monitored value, however training ended. With held-out
        rows this is always done. The training loss is measured for this after each epoch, since loss_curve_ contains
        means over steps with different weights.
    max_time : seconds after which no new epoch begins.
    callbacks : a fastmlp.Callback, or a function (net, epoch, logs) that may return True to stop; or a list."""

ATTRIBUTES = """\
    coefs_, intercepts_ : lists of arrays (d(l-1), d(l)) and (d(l),), views into the network: writing into them changes
        it.
    n_layers_, n_outputs_, out_activation_, n_iter_, t_ : number of layers including input and output; number of
        outputs; "identity", "exp", "logistic" or "softmax"; epochs of the last fit; number of rows trained on.
    loss_, loss_curve_, best_loss_ : loss of the last epoch, of each epoch, and the least; with penalties.
    validation_scores_, best_validation_score_ : scores of the monitored rows by epoch (minus the loss for
        monitor="loss"), and the best; otherwise None.
    n_features_in_, feature_names_in_ : of X."""
