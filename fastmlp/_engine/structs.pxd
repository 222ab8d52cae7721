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


# What a kind of layer does, a row of the table in kinds.pyx. Rows `pos` .. of the epoch are rows `row` .. of the
# buffers.
cdef struct LayerKind:
    const char *name
    # takes the kind's own numbers out of the spec of a layer, and sets the geometry of W and b and of what else it has;
    # held: takes the arrays that the layer then points at; or NULL
    measure_fn measure
    scratch_fn scratch          # elements of a thread's scratch that it wants, or NULL,
    scratch_fn row_scratch      # and of room for each row, which stays as long as x does
    # called once buffers have places, and again when P, strides, forms or theta change: sets up what does not depend on
    # the row; or NULL
    prepare_fn prepare
    # gives what a call of it has besides rows places in the arena, from base + offset on, and returns where they end;
    # NULL: those are W's forms, as of dense layers
    place_fn place
    rows_fn forward             # s(l), x(l) of m rows
    rows_fn backward            # de/dx of its inputs into their dx, of m rows
    grad_fn grad                # G = x(l-1)^T delta_w(l) over m rows, for rows lo .. hi of W; more: onto G; NULL: no W
    grad_end_fn grad_end        # what is left to do on these rows of G once all rows of a batch are in it, or NULL
    grad_step_fn grad_step      # the same over the chunk without G, and the optimiser's step at once; NULL: by G
    bint borrows                # grad_step uses G as scratch: all zero on entry, all zero on return
    mirror_fn mirror            # W's other forms, from its rows lo .. hi; NULL: it has none
    # the factors of an element of W, and the first element after it that has others; of layers whose W.parts is set
    factors_fn factors
    cut_fn cut                  # the first row from one on at which shares of W may begin; NULL: at any
    # forward and backward of what changes linearly: `tangent` has x', delta', `layer` what they are at; or NULL where s
    # is linear in the input: then forward and backward serve
    tangent_fn tangent
    tangent_fn tangent_back
    # what V in the place of W adds to s'(l), as x of `along`, and to (de/dx)', as its inputs' dx; or NULL where s is
    # linear in W: then forward and backward of `along` serve
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


# An input of a layer. Where several layers read one, de/dx of it is the sum of what each of them gives, and theta' is
# applied once, by the one that comes last in the delta sweep.
cdef struct Input:
    Layer *source               # NULL: there is none
    char *dx                    # where backward writes: delta of the source, or a place of its own; NULL: unwanted
    bint adds                   # dx is added to what is in delta of the source
    bint last                   # this is the last reader: the source's delta is complete after it
    bint fused                  # backward multiplies by theta' of the source


# Of parameters, to the optimiser's numbers.
cdef struct Factors:
    double lr                   # of the learning rate,
    double decay                # and of weight decay and penalties


# W and b. W is kept as the matrix (d(l-1), d(l)) or, `flipped`, as its transpose, whichever takes fewer whole
# vectors: a layer with one output is one row, not a column of them. Either is row-major, with rows of whole vectors
# that are zero past their end; the bias follows. Of a convolution W is (kh kw c_in, c_out), of a grouped layer
# (d(l-1), d(l) / groups), of one with a factor for each feature (1, features), of tables all of them one after the
# other, in rows that know nothing of theirs.
cdef struct Weights:
    Py_ssize_t rows, cols       # of W as kept
    Py_ssize_t size             # parameters in W: rows cols, or less, where its last row is not full
    Py_ssize_t ld               # its row stride
    Py_ssize_t units            # elements of b: d_out, or the channels of a convolution
    Py_ssize_t w_at, b_at       # where W and b start in what is laid out as the parameters
    char *W                     # and in memory
    char *b
    bint bias
    Factors of_W
    Factors of_b
    bint parts                  # not all of W has the factors of_W, see LayerKind.factors
    bint flipped
    bint lone                   # the layer has only b, stored where W would be
    Py_ssize_t columns          # of a product for the gradient
    Py_ssize_t cost             # multiply-adds, for a row of X, of the gradient of a row of W: what shares are even in
    Py_ssize_t work             # multiply-adds of a row of X forward
    int leader                  # the layer that this one follows as a whole, see ties.pyx, or 0;
    bint transposed             # its W as kept is the leader's transposed
    bint led_bias               # its bias is the leader's too


# The forms of W that products read, made anew from it after each step. The forward pass and the delta sweep want W and
# its transpose: the one that is not kept is the mirror. Large layers have both in panels for the matrix kernels,
# written while W is still in the cache.
cdef struct Forms:
    bint made                   # some of them have to be made
    char *operands              # W as kept, as products read it: W itself, or
    char *rounded               # W rounded, (rows, W's ld), or NULL
    char *mirror                # (cols, ld), or NULL where nothing needs it
    Py_ssize_t ld
    bint mirror_panels          # it is in panels
    char *panels                # W in panels, or with bins the sums of its rows, see numeric.pyx; or NULL


cdef struct Theta:
    int act                     # ACT_*
    double arg
    bint needs_s                # theta' wants s, not x
    bint curved                 # theta'' is not 0 almost everywhere


# The products of a dense layer, described once for all rows, see dense_prepare.
cdef struct Products:
    Py_ssize_t s_columns        # of the product for s(l)
    Py_ssize_t dx_columns       # and for de/dx(l-1)
    bint dots                   # s(l) by dots: one unit, of a flipped W that needs no mirror
    gemm_t for_s
    gemm_t for_dx


# The statistics of the columns of x(l-1), channels of maps: of the batch in training, else running ones.
cdef struct Norm:
    Py_ssize_t channels
    double momentum, eps
    char *running_mean          # (channels,) what is kept from batch to batch
    char *running_var
    char *mean                  # (channels,) those in use,
    char *var
    char *scale                 # 1 / sqrt(var + eps)
    double total                # the sum of the weights of the batch's rows, times positions; 0: running ones
    double count                # and how many of them have a weight, times positions
    char *sum_x                 # (channels,) of delta x^ over the batch, x^ = (x - mean) scale,
    char *sum                   # and of delta
    char *sum_xt                # (channels,) how these two change along a tangent
    char *sum_t
    char *spread                # (channels,) of weight x^ x' over the batch: of 1 / scale, times total, how it changes,
    char *shift                 # and of weight x': of mean


# Of layers that treat each feature, or all of them, alike at each position.
cdef struct Features:
    Py_ssize_t n                # of a row, of a map's position: its channels
    bint scaled                 # each has a factor that is learned, W
    bint centred                # a normalisation takes their mean away
    double eps                  # and adds this to their variance


# Of columns: numbers that pass as they are, and categories, each with a table of which it takes a row.
cdef struct Tables:
    Py_ssize_t numeric          # columns of numbers, the first ones,
    Py_ssize_t n                # and of categories, the last ones
    const int64_t *values       # (n,) rows of each table,
    const int64_t *units        # their elements,
    const int64_t *begin        # where it begins in W,
    const int64_t *at           # and where its units begin in x(l)
    const Factors *factors      # (n,) of each table, or NULL where these are the layer's


# Of an activation that is blended with its input, by a learned number for each feature, or that is a gate.
cdef struct Mixture:
    Theta theta
    bint from_theta             # the number is the input's part, not theta's


# Intervals that numeric features are in: feature i has those of W's rows first[i] .. first[i + 1].
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
    # elements of the map, with its padding if it has any
    const int32_t *at_position  # (positions,) from the map's first to the window's, at each position,
    const int32_t *at_weight    # (rows,) and from there to what each row of W is for
    Py_ssize_t padded           # elements of a map with its padding, or 0 where it has none
    Py_ssize_t padded_w         # its width
    Py_ssize_t step             # positions that are taken at once


# A layer's rows in a call.
cdef struct Buffers:
    Py_ssize_t ld               # the row stride of all but row_room
    char *s                     # where nothing needs s apart, s is x
    char *x
    char *operands              # x as products read it: x itself, or rounded, in a place of its own
    bint rounded                # which it is
    bint in_place               # x is the user's X, whose rows are those of the epoch
    char *row_room              # what row_scratch asked for
    Py_ssize_t row_room_ld      # its row stride
    char *delta                 # de/dx(l) on its way to be de/ds(l)
    char *delta_w               # what the weight phase takes for delta
    char *de_dx                 # de/dx(l), where a tangent sweep wants it, or NULL


cdef struct Layer:
    const LayerKind *kind
    int number                  # l
    Py_ssize_t d_in, d_out      # units of the source, and of this
    Py_ssize_t positions        # of a map at which the layer does the same: where a window stops, else 1
    Input input
    Input second                # of a layer that reads two
    Theta theta
    Weights weights
    Windows windows             # of convolutions and pooling
    Norm norm                   # of batch normalisation
    Features features           # of what goes by features
    Tables tables               # of columns
    Mixture mixture             # of mixtures and gates
    Bins bins                   # of an encoding by bins
    Terms terms                 # of what reads differences
    Py_ssize_t groups           # of units that see only as large a group of the source's
    double rate                 # of dropout
    bint pulls                  # backward must be called: an input wants de/dx, or delta must be rounded
    Buffers buffers
    Forms forms
    Products products


# Parameters that stand in several places, see ties.pyx.
cdef struct Ties:
    Py_ssize_t tail             # where the parameters of groups start in P: first those of weights, then of biases
    Py_ssize_t n_weights        # of the groups whose parameter counts as a weight, pads included
    Py_ssize_t n_tail           # of all, pads included
    Py_ssize_t n_groups
    const int64_t *home         # (n_groups,) the place of each group's parameter
    const int64_t *begin        # (n_groups + 1,) where its members start in
    const int64_t *member       # places in P
    const double *scale
    Py_ssize_t n_frozen
    const int64_t *frozen       # places that stand still
    const double *value
    bint followers              # some layer follows another
    void (*fold)(Job *job, int thread) noexcept nogil       # gradients of members go to their parameter,
    void (*spread)(Job *job, int thread) noexcept nogil     # parameters to their members


cdef struct Network:
    int L
    Layer *layers               # L + 1; entry 0 is the input
    char *P                     # the parameters
    Py_ssize_t n_elements       # of P
    Py_ssize_t numeric          # columns of x(0) that are numbers: categories come after them, which nothing moves
    Py_ssize_t levels           # outputs for each target that has several, else of each member
    Py_ssize_t n_rows           # of all W as kept, and biases
    bint two_groups             # batches of enough rows are summed in two groups
    bint narrow                 # rows of the parameters have at most kernels_t.narrow, and no ties have a tail
    bint settles                # some kind has a settle,
    bint ends                   # or a grad_end
    Ties *ties                  # or NULL
    Py_ssize_t scratch          # elements that the kinds want of a thread's scratch
    Py_ssize_t work             # multiply-adds of a row forward, pads included


# ---- what a call is about. Positions of rows count them in the order of the epoch; a row of the buffers is a position
# less that of the chunk's first row.

cdef struct Rows:
    source_t X
    bint differences            # rows of X are sparse differences, of which x(0) is not made, see stacked.pyx
    const int64_t *order        # the rows, or NULL for all as they are
    Py_ssize_t n                # how many
    # rows are short and in random order over more memory than the caches hold: prefetch them by hand
    bint prefetch
    loss_t loss
    bint (*function)(Job *job, loss_t *loss) noexcept nogil     # a Python loss in the place of the kernel's, or NULL,
    void *call                  # and the Call that it belongs to
    double weight_scale         # rows over the sum of the sample weights
    const char *delta_weight    # sample weights for delta_w alone (backprop): delta stays unweighted
    mixed_t mixed               # in training, rows that others are mixed into; its partner NULL: none are


cdef struct Batches:
    Py_ssize_t batch, chunk, block      # rows of each
    Py_ssize_t chunks           # of a batch
    Py_ssize_t first_chunk, end_chunk   # of the epoch, which the threads are to do
    Py_ssize_t first_row, end_row       # positions, of jobs without batches
    bint training               # dropout drops
    uint64_t key                # what it drops in this epoch, what noise is
    bint altered                # rows are mixed or have noise added before they are trained on
    double noise                # standard deviation of what is added to x(0) in training


cdef struct Gradient:
    bint full                   # all gradients go to G before any step
    char *G                     # laid out as P, of the batch's first group of rows
    char *G2                    # and of its second
    char *T                     # the same of what a tangent sweep adds as x'(l-1) delta(l)^T: chains of their own
    char *T2


# What falls from step to step.
cdef struct Powers:
    double beta1                # beta1^t; NAdam: the product of its momenta
    double beta2                # beta2^t
    double fade                 # NAdam: fade^t


# Of a network that is tiny: its layers as the kernel takes them. See tiny.pxi.
cdef struct Tiny:
    int L                       # 0: it is not tiny, or its rows need more than the kernel does
    tiny_layer_t layers[TINY_LAYERS]
    bint runs                   # in the present stint


cdef struct Optimizer:
    bint stepping
    step_t step                 # for weights; biases know neither decay nor penalties
    double clip                 # largest norm of the gradient, 0: any
    double row_l2, row_l1       # penalties on the sum over a batch's rows
    Powers powers
    char *S1                    # state, laid out as P
    char *S2
    char *average               # the running mean of P, laid out as P, or NULL
    double average_decay        # d
    double average_power        # d^t after t steps
    # between the whole gradient of a batch of some rows and its step, on all threads between barriers, or NULL: where
    # others work on the same batch, G, results.batch_loss and results.bad become what all of them have found
    void (*exchange)(Job *job, Py_ssize_t rows, int thread) noexcept nogil
    void *exchanged             # what it belongs to
    # on thread 0 between barriers, or NULL: two numbers of each of a layer's columns, its mean and var or, if they are
    # such, two sums over the batch, become those of all who work on the batch
    void (*settle)(Job *job, Norm *norm, char *first, char *second, bint sums) noexcept nogil


# Ranks that work on the same batch, each of which steps a part of the parameters.
cdef struct Division:
    int rank, size              # size 0: there are none
    Py_ssize_t *parts           # (size, threads, L + 1, 2): whose rows of W(l), of each rank's threads
    char **G                    # (size,) for this rank's part the gradient of each, laid out as P
    char *forms                 # where the forms of all W are, in memory that the ranks share, as P is
    meeting_t *meeting          # where thread 0 meets the others, and all threads wait for their layers
    bint gives                  # this rank has rows in the batches


# Derivatives of derivatives, and inputs that are moved: see tangent.pyx and attack.pyx.
cdef struct Sensitivity:
    int penalty                 # PENALTY_*, or 0
    double lam
    char *penalties             # (batch,) of the rows
    Layer *tangent              # the layers' linear parts over x', delta', or NULL
    Layer *pulled               # whose delta(0) is penalised: the network's layers, or those of random projections
    Layer *along                # the layers with V, v in the place of W, b where weights move, or NULL
    char *V                     # those, laid out as P
    rows_job_fn push_tangent    # from x'(0) to x'(L)
    bint (*tangent_rows)(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *penalties, double scale,
                         char *scratch) noexcept nogil
    void (*settling_tangents)(Job *job, const Segment *segment) noexcept nogil      # the same of a batch that settles
    int attack_steps
    attack_t attack
    bint attack_random          # from a random place within reach
    void (*attack_rows)(Job *job, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m, char *value,
                        char *scratch) noexcept nogil


# What each thread owns.
cdef struct Shares:
    Py_ssize_t *share           # (threads, L + 1, 2): whose rows of W(l)
    Py_ssize_t *share2          # (threads, 2, L + 1, 2): of both groups' gradients
    Py_ssize_t *spans           # (threads, 2): begin and end of a thread's parameters, -1: not in one piece
    double *row_squares         # squared norms of the rows of the gradient, layer by layer
    double *weight_penalties    # penalties of the rows of W
    char *x0                    # x(0) as it was, where an attack moves it
    char **scratch              # a thread's own: pack, then a tile, then a panel, then the loss's, then the kinds'
    Py_ssize_t tile_at, panel_at, loss_at, kind_at


cdef struct Results:
    double loss_sum, weight_penalty, sensitivity_penalty
    double batch_loss           # the sum of the present batch's losses
    char *values                # losses of the rows: (batch,) of the present one, or (n,)
    char *out                   # what the job makes of each row
    const char *seed            # de/dx(L) (n, d(L)) in place of the loss's, or x'(0) (n, d(0)), or NULL
    int link
    shared_int bad              # some loss is not finite
    Py_ssize_t bad_chunk        # and training ended there


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
    bint layers                 # and one between each two layers: those of a block take long, or ranks divide steps
    double looked               # when thread 0 last looked for signals
    void (*look)(Job *job) noexcept nogil
    shared_int stopped


# One call into the engine, which all its threads see.
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
