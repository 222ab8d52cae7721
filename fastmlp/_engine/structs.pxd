# The structs that the engine's modules share; inline.pxd has small functions on them.
#
# Notation: s(l) = W(l)^T x(l-1) + b(l), x(l) = theta(s(l)), delta(l) = de/ds(l). l-1 stands for the layer that l
# reads, its source, which need not be the one before it.
#
# Words: batch, rows of one step; block, rows that one thread takes through all layers at a time; chunk, rows whose x
# and delta are held at once; share, what one thread owns; see the glossary in CONTRIBUTING.md.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from fastmlp._c cimport *

cdef enum:
    ALIGN = 64      # bytes of a cache line
    TILE_I = 16     # rows of W that grad_step takes at a time

cdef extern from *:
    """
    #define SIGNAL_SECONDS 0.05 /* between two looks for signals */
    """
    const double SIGNAL_SECONDS


# ---- what the network is

cdef struct Layer
cdef struct Job
cdef struct Factors
cdef struct Segment

ctypedef int (*measure_fn)(Job *blank, Layer *layer, dict spec, list held) except -1
ctypedef Py_ssize_t (*scratch_fn)(const kernels_t *k, const Layer *layer) noexcept
ctypedef Py_ssize_t (*place_fn)(Job *job, Layer *layer, char *base, Py_ssize_t offset) noexcept
ctypedef Py_ssize_t (*cut_fn)(const Layer *layer, Py_ssize_t row) noexcept
ctypedef void (*prepare_fn)(const Job *job, Layer *layer) noexcept nogil
ctypedef void (*rows_fn)(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                         char *scratch) noexcept nogil
ctypedef void (*rows_job_fn)(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *scratch) noexcept nogil
ctypedef void (*grad_fn)(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t row, Py_ssize_t m, bint more,
                         char *G, char *scratch) noexcept nogil
ctypedef void (*grad_step_fn)(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t m, const step_t *step,
                              int thread) noexcept nogil
ctypedef void (*grad_end_fn)(Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi, char *G) noexcept nogil
ctypedef const Factors *(*factors_fn)(const Layer *layer, Py_ssize_t element, Py_ssize_t *end) noexcept nogil
ctypedef void (*mirror_fn)(const Job *job, Layer *layer, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil
ctypedef void (*tangent_fn)(Job *job, Layer *layer, Layer *tangent, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                            char *scratch) noexcept nogil
ctypedef void (*settle_fn)(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t m, int thread) noexcept nogil
ctypedef void (*segment_fn)(Job *job, const Segment *segment, int begin, int end, Py_ssize_t row, Py_ssize_t m,
                            char *scratch) noexcept nogil
ctypedef void (*job_fn)(void *job, int thread) noexcept nogil


# The functions and properties of a layer kind: a row of the table in kinds.pyx. Positions pos, pos + 1, .. of the epoch
# are rows row, row + 1, .. of the buffers. lo .. hi stands for rows lo .. hi - 1 of W.
cdef struct LayerKind:
    const char *name
    # removes the kind's own entries from a layer's spec, and sets the geometry of W, b and whatever else the kind has;
    # held: receives the arrays that the layer then points to; or NULL
    measure_fn measure
    scratch_fn scratch          # elements that it needs of a thread's scratch, or NULL,
    scratch_fn row_scratch      # and of room for each row, which is kept as long as x
    # sets up what is the same for all rows; called when buffers are placed, and again when P, strides, forms or theta
    # change; or NULL
    prepare_fn prepare
    # places what the kind needs in a call besides rows, in the arena from base + offset on, and returns where it ends;
    # NULL: the forms of W, as for dense layers
    place_fn place
    rows_fn forward             # computes s(l), x(l) of m rows
    rows_fn backward            # computes de/dx of its inputs, in their dx, for m rows
    grad_fn grad                # G = x(l-1)^T delta_w(l) over m rows, for lo .. hi; more: add to G; NULL: no W
    grad_end_fn grad_end        # completes these rows of G after all rows of a batch are summed, or NULL
    grad_step_fn grad_step      # grad over the chunk without G, fused with the optimiser's step; NULL: through G
    bint borrows                # grad_step uses G as scratch, which is all zero before and after
    mirror_fn mirror            # updates W's other forms from its rows lo .. hi; NULL: it has none
    # the factors of an element of W, and the first element after it with other factors; for layers with W.parts
    factors_fn factors
    cut_fn cut                  # the first row at or after a row at which a share of W may begin; NULL: at any row
    # forward and backward of the tangent: `tangent` has x' and delta', `layer` the point at which they are taken. NULL
    # if s is linear in the input: then forward and backward are used
    tangent_fn tangent
    tangent_fn tangent_back
    # with V in place of W: what it adds to s'(l), in x of `along`, and to (de/dx)', in dx of its inputs. NULL if s is
    # linear in W: then forward and backward of `along` are used
    rows_fn along
    rows_fn along_back
    bint passes                 # de/dx of its last input equals delta(l), so both may share one buffer
    const LayerKind *rounding   # the same kind where operands of its products are rounded first, or NULL, see
    const LayerKind *exact      # rounding.pyx; and back from there
    const LayerKind *differences    # what takes its place where rows are differences, or NULL, see stacked.pyx
    # where rows need each other, or NULL: what all threads do in training, between barriers, once the m rows of a batch
    # from pos on have x of the source, before forward; and once they have delta(l), before backward
    settle_fn settle
    settle_fn settle_back
    # the same of what changes linearly, of a layer of tangents: with x' of the source, before tangent; and with
    # delta'(l), before tangent_back
    settle_fn settle_tangent
    settle_fn settle_tangent_back


# An input of a layer. If several layers read one source, its de/dx is the sum of their contributions, and theta' is
# applied once, by the one that comes last in the delta sweep.
cdef struct Input:
    Layer *source               # NULL: there is none
    char *dx                    # where backward writes: delta of the source, or a buffer of its own; NULL: not needed
    bint adds                   # dx is added to what is in delta of the source
    bint last                   # this is the last reader: the source's delta is complete after it
    bint fused                  # backward multiplies by theta' of the source


# Factors for some parameters, relative to the optimiser's numbers.
cdef struct Factors:
    double lr                   # of the learning rate,
    double decay                # and of weight decay and penalties


# W and b. W is stored as the matrix (d(l-1), d(l)) or, if `flipped`, as its transpose, whichever takes fewer whole
# vectors: for a layer with one output a single row. It is row-major, with rows padded by zeros to whole vectors; the
# bias follows. W of a convolution is (kh kw c_in, c_out), of a grouped layer (d(l-1), d(l) / groups), of a layer with a
# factor for each feature (1, features). Of a columns layer it holds all tables one after the other, divided into rows
# regardless of the rows of the tables.
cdef struct Weights:
    Py_ssize_t rows, cols       # of W as stored
    Py_ssize_t size             # parameters in W: rows cols, or less, if its last row is not full
    Py_ssize_t ld               # its row stride
    Py_ssize_t units            # elements of b: d_out, or the channels of a convolution
    Py_ssize_t w_at, b_at       # where W and b start in arrays laid out as P
    char *W                     # and in memory
    char *b
    bint bias
    Factors of_W
    Factors of_b
    bint parts                  # parts of W have other factors than of_W, see LayerKind.factors
    bint flipped
    bint lone                   # the layer has only b, stored where W would be
    Py_ssize_t columns          # of a product for the gradient
    Py_ssize_t cost             # multiply-adds of the gradient of a row of W, for a row of X; shares have equal cost
    Py_ssize_t work             # multiply-adds of the forward pass of a row of X
    int leader                  # the layer that this one follows as a whole, see ties.pyx, or 0
    bint transposed             # W as stored is the transpose of the leader's
    bint led_bias               # the bias is the leader's too


# The forms of W that products read, made again from W after each step. The forward pass and the delta sweep need W and
# its transpose: the one that is not stored as W is the mirror. Large layers have both in panels for the matrix kernels,
# written while W is still in the cache.
cdef struct Forms:
    bint made                   # whether there are any besides W
    char *operands              # W as stored, as products read it: W itself or rounded
    char *rounded               # W rounded to bfloat16, (rows, W's ld), or NULL
    char *mirror                # (cols, ld), or NULL if not needed
    Py_ssize_t ld
    bint mirror_panels          # the mirror is in panels
    char *panels                # W in panels; for bins the sums of its rows, see numeric.pyx; or NULL


cdef struct Theta:
    int act                     # ACT_*
    double arg
    bint needs_s                # theta' is computed from s, not from x
    bint curved                 # theta'' is not 0 almost everywhere


# The products of a dense layer, described once for all rows, see dense_prepare.
cdef struct Products:
    Py_ssize_t s_columns        # of the product for s(l)
    Py_ssize_t dx_columns       # and for de/dx(l-1)
    bint dots                   # s(l) is computed by the kernel `dots`: one unit, W flipped, without a mirror
    gemm_t for_s
    gemm_t for_dx


# Batch normalisation: the statistics of the columns of x(l-1) (of maps, of the channels). In training they are those of
# the batch, otherwise the running ones.
cdef struct Norm:
    Py_ssize_t channels
    double momentum, eps
    char *running_mean          # (channels,) updated by each batch
    char *running_var
    char *mean                  # (channels,) the statistics in use
    char *var
    char *scale                 # 1 / sqrt(var + eps)
    double total                # the sum of the batch's row weights, times positions; 0: running statistics are in use
    double count                # the number of rows with a weight, times positions
    char *sum_x                 # (channels,) the sums over the batch of delta x^, x^ = (x - mean) scale,
    char *sum                   # and of delta
    char *sum_xt                # (channels,) how these two change along a tangent
    char *sum_t
    char *spread                # (channels,) of weight x^ x' over the batch: of 1 / scale, times total, how it changes,
    char *shift                 # and of weight x': of mean


# Layers that treat all positions of a map alike, feature by feature or all features together.
cdef struct Features:
    Py_ssize_t n                # features of a row; of a map, its channels
    bint scaled                 # each feature has a learned factor, W
    bint centred                # the normalisation subtracts their mean
    double eps                  # added to their variance


# Columns layers: numeric columns, which pass unchanged, and categories, each with a table of which it selects a row.
cdef struct Tables:
    Py_ssize_t numeric          # the number of numeric columns, which come first
    Py_ssize_t n                # the number of categories, which come last
    const int64_t *values       # (n,) rows of each table,
    const int64_t *units        # its columns,
    const int64_t *begin        # where it begins in W,
    const int64_t *at           # and where its units begin in x(l)
    const Factors *factors      # (n,) for each table, or NULL if they are the layer's


# An activation that is interpolated with its input, by a learned number for each feature, or that is a gate.
cdef struct Mixture:
    Theta theta
    bint from_theta             # the learned number is the input's part, not theta's


# The bins of numeric features: those of feature i are rows first[i] .. first[i + 1] - 1 of W.
cdef struct Bins:
    const int32_t *first        # (d(l-1) + 1,), or NULL
    const char *edges           # (rows + d(l-1),): those of feature i from first[i] + i on
    const char *slope           # (rows,) 1 / width


# Of a dense layer that reads differences.
cdef struct Terms:
    const uint8_t *stacked      # (d(l-1),) whether a column of x(l-1) stands on the one before it
    Py_ssize_t most             # terms of a row


# What slides over a map.
cdef struct Windows:
    window_t window
    # offsets in elements of the map, padded if it has padding:
    const int32_t *at_position  # (positions,) from the map's first element to that of the window at each position
    const int32_t *at_weight    # (rows,) from there to the element that each row of W multiplies
    Py_ssize_t padded           # elements of the padded map, or 0 without padding
    Py_ssize_t padded_w         # its width
    Py_ssize_t step             # positions that are computed at a time


# The buffers of a layer's rows in a call.
cdef struct Buffers:
    Py_ssize_t ld               # the row stride of all but row_room
    char *s                     # the same buffer as x, unless s is needed separately
    char *x
    char *operands              # x as products read it: x itself, or rounded, in a separate buffer
    bint rounded                # whether operands is rounded
    bint in_place               # x is the user's X, in which rows are addressed by position
    char *row_room              # what row_scratch asked for
    Py_ssize_t row_room_ld      # its row stride
    char *delta                 # de/dx(l), which becomes de/ds(l)
    char *delta_w               # delta as the weight phase uses it
    char *de_dx                 # de/dx(l), if a tangent sweep needs it, or NULL


cdef struct Layer:
    const LayerKind *kind
    int number                  # l
    Py_ssize_t d_in, d_out      # units of the source, and of this layer
    Py_ssize_t positions        # positions of a map at which the layer does the same, or of its windows; else 1
    Input input
    Input second                # of layers with two inputs
    Theta theta
    Weights weights
    Windows windows             # of convolutions and pooling
    Norm norm                   # of batch normalisation
    Features features           # of layers that go by features
    Tables tables               # of columns layers
    Mixture mixture             # of mixtures and gates
    Bins bins                   # of an encoding by bins
    Terms terms                 # of what reads differences
    Py_ssize_t groups           # of units that see only as large a group of the source's
    double rate                 # of dropout
    bint pulls                  # backward must be called: an input needs de/dx, or delta must be rounded
    Buffers buffers
    Forms forms
    Products products


# Tied and frozen parameters, see ties.pyx. Places are elements of P.
cdef struct Ties:
    Py_ssize_t tail             # where the parameters of groups start in P: first those of weights, then of biases
    Py_ssize_t n_weights        # elements of those that count as weights, padding included
    Py_ssize_t n_tail           # elements of all of them, padding included
    Py_ssize_t n_groups
    const int64_t *home         # (n_groups,) the place of each group's parameter
    const int64_t *begin        # (n_groups + 1,) where each group's members start in `member` and `scale`
    const int64_t *member       # places of the members
    const double *scale         # and their factors
    Py_ssize_t n_frozen
    const int64_t *frozen       # (n_frozen,) places of frozen parameters
    const double *value         # and their values
    bint followers              # some layer follows another one
    void (*fold)(Job *job, int thread) noexcept nogil       # move gradients of members to their parameter
    void (*spread)(Job *job, int thread) noexcept nogil     # copy parameters to their members


cdef struct Network:
    int L
    Layer *layers               # L + 1; entry 0 is the input
    char *P                     # the parameters
    Py_ssize_t n_elements       # of P
    Py_ssize_t numeric          # columns of x(0) that are numbers: categories come after them, which nothing moves
    Py_ssize_t levels           # outputs for each target that has several, else of each member
    Py_ssize_t n_rows           # of all W as kept, and biases
    bint two_groups             # batches of enough rows are summed in two groups
    bint narrow                 # no row of the parameters is longer than kernels_t.narrow, and ties have no tail
    bint settles                # some kind has a settle,
    bint ends                   # or a grad_end
    Ties *ties                  # or NULL
    Py_ssize_t scratch          # elements that the kinds need of a thread's scratch
    Py_ssize_t work             # multiply-adds of the forward pass of a row, padding included


# ---- what a call works on. The position of a row is its number in the order of the epoch; its row in the buffers is
# its position minus that of the chunk's first row.

cdef struct Rows:
    source_t X
    bint differences            # rows of X are sparse differences, of which x(0) is not made, see stacked.pyx
    const int64_t *order        # the rows, or NULL for all as they are
    Py_ssize_t n                # how many
    # rows are short and in random order over more memory than the caches hold: prefetch them by hand
    bint prefetch
    loss_t loss
    bint (*function)(Job *job, loss_t *loss) noexcept nogil     # a Python loss instead of the kernel's, or NULL,
    void *call                  # and the Call that it belongs to
    double weight_scale         # the number of rows over the sum of the sample weights
    const char *delta_weight    # sample weights for delta_w alone (backprop): delta stays unweighted
    mixed_t mixed               # in training, the rows that are mixed into these; partner NULL: none


cdef struct Batches:
    Py_ssize_t batch, chunk, block      # rows of each
    Py_ssize_t chunks           # chunks of a batch
    Py_ssize_t first_chunk, end_chunk   # the chunks of the epoch to train on: first_chunk .. end_chunk - 1
    Py_ssize_t first_row, end_row       # the same by positions, in jobs without batches
    bint training               # dropout is active
    uint64_t key                # random key of dropout and noise in this epoch
    bint altered                # rows are mixed or have noise added before they are trained on
    double noise                # standard deviation of the noise added to x(0) in training


cdef struct Gradient:
    bint full                   # the whole gradient goes to G before any step
    char *G                     # laid out as P, for the batch's first group of rows
    char *G2                    # and for its second
    char *T                     # the same for x'(l-1) delta(l)^T of a tangent sweep, in sums of its own
    char *T2


# Numbers that decrease from step to step.
cdef struct Powers:
    double beta1                # beta1^t; NAdam: the product of its momenta
    double beta2                # beta2^t
    double fade                 # NAdam: fade^t


# The layers of a tiny network, as its kernel takes them, see tiny.pxi.
cdef struct Tiny:
    int L                       # 0: the network is not tiny, or the call needs more than the kernel computes
    tiny_layer_t layers[TINY_LAYERS]
    bint runs                   # the kernel is used in the present stint


cdef struct Optimizer:
    bint stepping
    step_t step                 # for weights; biases have neither decay nor penalties
    double clip                 # largest norm of the gradient, 0: no limit
    double row_l2, row_l1       # penalties on the sum over a batch's rows
    Powers powers
    char *S1                    # state, laid out as P
    char *S2
    char *average               # the moving average of P, laid out as P, or NULL
    double average_decay        # d
    double average_power        # d^t after t steps
    # if other ranks work on the same batch, else NULL: called between the whole gradient of a batch and the step, on
    # all threads, between barriers; G, results.batch_loss and results.bad become those of all ranks together
    void (*exchange)(Job *job, Py_ssize_t rows, int thread) noexcept nogil
    void *exchanged             # what it belongs to
    # on thread 0 between barriers, or NULL: two numbers of each of a layer's columns, its mean and var or, if they are
    # such, two sums over the batch, become those of all who work on the batch
    void (*settle)(Job *job, Norm *norm, char *first, char *second, bint sums) noexcept nogil


# A step divided among ranks that work on the same batch: each steps a part of the parameters.
cdef struct Division:
    int rank, size              # size 0: the step is not divided
    Py_ssize_t *parts           # (size, threads, L + 1, 2): the rows of W(l) of each rank's threads
    char **G                    # (size,) the gradients of all ranks, laid out as P
    char *forms                 # the forms of all W, in memory that the ranks share, as P is
    meeting_t *meeting          # where thread 0 meets the other ranks, and all threads wait for their layers
    bint gives                  # this rank has rows in the batches


# Tangents and attacks, see tangent.pyx and attack.pyx.
cdef struct Sensitivity:
    int penalty                 # PENALTY_*, or 0
    double lam
    char *penalties             # (batch,) of the rows
    Layer *tangent              # the linear parts of the layers, with x' and delta', or NULL
    Layer *pulled               # the layers whose delta(0) is penalised: the network's, or those of random projections
    Layer *along                # for tangents of the weights, the layers with V, v in place of W, b; or NULL
    char *V                     # V and v, laid out as P
    rows_job_fn push_tangent    # from x'(0) to x'(L)
    bint (*tangent_rows)(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *penalties, double scale,
                         char *scratch) noexcept nogil
    void (*settling_tangents)(Job *job, const Segment *segment) noexcept nogil      # the same of a batch that settles
    int attack_steps
    attack_t attack
    bint attack_random          # start from a random point
    void (*attack_rows)(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *value,
                        char *scratch) noexcept nogil


# What each thread owns, as begin and end.
cdef struct Shares:
    Py_ssize_t *share           # (threads, L + 1, 2): its rows of W(l)
    Py_ssize_t *share2          # (threads, 2, L + 1, 2): its rows of the gradients of both groups
    Py_ssize_t *spans           # (threads, 2): its parameters; -1: not contiguous
    double *row_squares         # squared norms of the rows of the gradient, layer by layer
    double *weight_penalties    # penalties of the rows of W
    char *x0                    # the original x(0), if there is an attack
    char **scratch              # (threads,) of each thread: for packing, a tile, a panel, the loss, the kinds
    Py_ssize_t tile_at, panel_at, loss_at, kind_at


cdef struct Results:
    double loss_sum, weight_penalty, sensitivity_penalty
    double batch_loss           # the sum of the present batch's losses
    char *values                # losses of the rows: (batch,) of the present one, or (n,)
    char *out                   # the job's results, by rows
    const char *seed            # de/dx(L) (n, d(L)) instead of the loss's, or x'(0) (n, d(0)), or NULL
    int link
    shared_int bad              # some loss is not finite
    Py_ssize_t bad_chunk        # the chunk where that was, and training ended


# A thread's part of a batch whose rows need each other: it takes its rows through some layers at a time.
cdef struct Segment:
    Layer *layers               # on whose deltas backward works
    Py_ssize_t pos              # the position of the batch's first row
    Py_ssize_t m                # rows of the batch
    Py_ssize_t first, end       # the thread's, in the buffers
    double scale                # of de/dx(L)
    int thread


# Ctrl-C while a job runs. Thread 0 looks for signals now and then; once one raises, or a Python loss has raised, all
# threads skip the remaining rows; results are invalid.
cdef struct Signals:
    Py_ssize_t blocks           # blocks between two looks at the clock
    bint layers                 # also look between layers: those of a block take long, or ranks divide steps
    double looked               # when thread 0 last looked for signals
    void (*look)(Job *job) noexcept nogil
    shared_int stopped


# One call into the engine, shared by its threads.
cdef struct Job:
    const kernels_t *k
    Py_ssize_t size             # bytes of an element
    team_t *team
    Network net
    Rows rows
    Batches batches
    int lowest_delta            # layers from here up have delta buffers
    int sweep_end               # training's delta sweep stops at this layer
    Gradient gradient
    Tiny tiny
    Optimizer optimizer
    Division division
    Sensitivity sensitivity
    Shares shares
    Signals signals
    Results results
