"""What the estimators' docstrings have in common."""

PARAMETERS = """\
    hidden_layer_sizes : units of the hidden layers, an int or array-like; () for none. Default (100,).
    activation : of the hidden layers: "identity", "logistic", "tanh", "relu" or any name of fastmlp.activations(); or a
        list, one for each hidden layer, of names or pairs (name, number). Default "relu".
    solver : "adam", "sgd", or "lbfgs" for L-BFGS-B on all rows, which looks at the training loss alone: it takes
        callbacks and max_time, but none of optimizer, l1, dropout, input_noise, gradient_clip, monitor and
        validation_data, and early_stopping does nothing, as in scikit-learn. Default "adam".
    alpha : L2 penalty alpha/2 ||W||^2 on the sum of a batch's losses, of weights, not of biases. Default 1e-4.
    batch_size : rows a step, or "auto" for min(200, n_samples).
    learning_rate : for "sgd": "constant"; "invscaling", learning_rate_init / t^power_t; "adaptive", a fifth whenever
        nothing became better for n_iter_no_change epochs, counted anew from there. For both solvers: a callable of the
        epoch (0, 1, ..), such as those of fastmlp.schedules.
    learning_rate_init : Default 1e-3.
    power_t : the exponent of "invscaling". Default 0.5.
    max_iter : most epochs, or iterations of L-BFGS. Default 200.
    shuffle : a new order of the rows each epoch. Default True.
    random_state : None, an int or a RandomState: weights, held-out rows, the order of rows, dropout.
    tol : what counts as better. Default 1e-4.
    verbose : print the loss of each epoch.
    warm_start : fit goes on from the last fit's weights, with its optimiser's state, its stream of random numbers, and
        its rate unless solver, optimizer, learning_rate or learning_rate_init are set anew. The best and the waiting of
        patience go on where the same number of the same rows is watched and the last fit was not ended by patience, and
        begin afresh else. loss_curve_ goes on. "lbfgs" keeps nothing but weights: it begins without a memory of the
        curvature, and what comes after it with a fresh optimiser, rate and curve. Callbacks begin anew in each fit.
        Default False.
    momentum, nesterovs_momentum : of "sgd". Default 0.9, True.
    early_stopping : hold out validation_fraction of the rows, stop when their score does not become better, and keep
        the best weights. Default False.
    validation_fraction : Default 0.1.
    beta_1, beta_2, epsilon : of "adam".
    n_iter_no_change : epochs without anything better before training stops. Default 10.
    max_fun : most evaluations of L-BFGS. Default 15000.
    dtype : "float32" or "float64", of weights and computing; None for that of X (float64 with "lbfgs"). float32 is
        about twice as fast.
    precision : "full", or "bfloat16" with dtype "float32", which None then stands for: what training and predictions
        multiply is rounded to bfloat16, see fastmlp.MLP. L-BFGS trains in full precision all the same. Default "full".
    n_threads : threads to use, None for as many as pay off and OMP_NUM_THREADS and threadpoolctl allow. Results do not
        depend on it.
    optimizer : a spec such as fastmlp.Adam(), or a name, "adam", in place of solver, rates and momentum; its penalties
        add to alpha's.
    l1 : L1 penalty l1 ||W||_1 on the sum of a batch's losses, as alpha. Default 0.
    dropout : the share of the hidden units' outputs that is dropped in training, or a list, one for each hidden layer.
    gradient_penalty : lam, adds lam/2 times the mean over rows of ||de_i/dx_i||^2 to the loss, e_i what the solver
        descends on: the fit becomes less sensitive to its input (Drucker and LeCun 1992). Default 0.
    input_noise : standard deviation of normal noise that is added to X in training, anew in each epoch. Default 0.
    gradient_clip : largest Euclidean norm of a step's gradient, None for any.
    monitor : what patience looks at: "loss"; "score", the estimator's own; a scorer's name, as "neg_log_loss", or a
        scorer. None: the score of held-out rows where there are, else the training loss.
    restore_best : the best epoch's weights by what is monitored come back, however training ended. With held-out rows
        they always do. The training loss is measured for this after each epoch, since what loss_curve_ has is a mean
        over the steps, at weights that are gone.
    max_time : seconds after which no new epoch begins.
    callbacks : a fastmlp.Callback, or a function of (net, epoch, logs) that may return True to stop; or a list."""

ATTRIBUTES = """\
    coefs_, intercepts_ : lists of arrays (d(l-1), d(l)) and (d(l),), views into the network: writing into them changes
        it.
    n_layers_, n_outputs_, out_activation_, n_iter_, t_ : layers with input and output; outputs; "identity", "exp",
        "logistic" or "softmax"; epochs of the last fit; rows seen.
    loss_, loss_curve_, best_loss_ : of the last epoch, by epoch, and the least; with penalties.
    validation_scores_, best_validation_score_ : of the monitored rows by epoch (minus the loss for monitor="loss"),
        else None.
    n_features_in_, feature_names_in_ : of X."""
