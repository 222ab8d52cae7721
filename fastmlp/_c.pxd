# What the C level offers. kernels/kernels.h and kernels/table.h say what each thing does; tests/test_kernels.py
# compares the kernels.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "kernels/kernels.h" nogil:
    enum:
        TILE_ROWS, SORTED_ROWS
        TARGETS_rows, TARGETS_labels, TARGETS_csr, TARGETS_mixed
        N_ACTIVATIONS, N_LOSSES, N_LINKS, N_STEPS, N_SOURCES
        ACT_identity, ACT_relu
        STEP_sgd, STEP_adam, STEP_nadam, STEP_adagrad
        EPI_NONE, EPI_RELU, EPI_RELU_GRAD

    ctypedef struct gemm_t:
        Py_ssize_t N, K
        Py_ssize_t ra, ca
        const int32_t *rows
        const int32_t *steps
        const void *B
        Py_ssize_t ldb
        int panels
        Py_ssize_t ldc
        const void *init
        Py_ssize_t ldi
        int epilogue

    ctypedef struct window_t:
        Py_ssize_t h, w, c, kh, kw, sh, sw, ph, pw, dh, dw, oh, ow

    ctypedef struct source_t:
        const char *data
        const char *end
        Py_ssize_t row_stride, col_stride
        const void *indptr
        const void *indices
        int wide_index, type
        Py_ssize_t cols

    ctypedef struct loss_t:
        int kind, form
        const double *arg
        Py_ssize_t m, n
        const void *x
        Py_ssize_t ldx
        const int64_t *order
        Py_ssize_t first
        const void *y
        Py_ssize_t ldy
        const void *weight
        double scale
        void *delta
        Py_ssize_t ldd
        void *value
        void *scratch

    ctypedef struct mixed_t:
        int form
        const void *y
        const int64_t *partner
        const void *share

    ctypedef struct attack_t:
        int norm
        double eps, step, lo, hi

    ctypedef struct step_t:
        int kind
        double lr, lr_g, beta1, beta2, eps, fade, decay, l2, l1, gscale
        int narrow

    enum:
        TINY_LAYERS

    ctypedef struct tiny_layer_t:
        Py_ssize_t d_in, d_out
        int act, needs_s
        double arg
        int dots
        const void *W
        Py_ssize_t ldw
        const void *b
        const void *back
        Py_ssize_t ldb
        int flipped
        void *G
        void *db

    ctypedef struct kernels_t:
        const char *isa
        int lanes, narrow, tile_columns, itemsize, operandsize, rounds, row_multiple
        size_t pack_bytes
        void (*gemm)(const gemm_t *g, Py_ssize_t M, const void *A, void *C, const void *H, void *room) noexcept nogil
        int (*packs)(Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, Py_ssize_t ldb) noexcept nogil
        Py_ssize_t (*panel)(Py_ssize_t M, Py_ssize_t rest) noexcept nogil
        Py_ssize_t (*panel_start)(Py_ssize_t N, Py_ssize_t j) noexcept nogil
        void (*pack)(Py_ssize_t K, Py_ssize_t n, const void *B, Py_ssize_t ldb, void *out) noexcept nogil
        void (*round_operands)(Py_ssize_t m, Py_ssize_t n, const void *x, Py_ssize_t ldx, void *out,
                               Py_ssize_t ldo) noexcept nogil
        void (*dots)(Py_ssize_t m, Py_ssize_t n, const void *x, Py_ssize_t ldx, const void *w, const void *b, void *out,
                     Py_ssize_t ldo) noexcept nogil
        void (*row_grad)(Py_ssize_t m, Py_ssize_t n, const void *a, const void *b, void *G, Py_ssize_t ldg,
                         Py_ssize_t k, const void *d, void *bias) noexcept nogil
        void (*colsum)(Py_ssize_t m, Py_ssize_t n, const void *D, Py_ssize_t ldd, void *out,
                       int accumulate) noexcept nogil
        void (*transpose)(Py_ssize_t m, Py_ssize_t n, const void *A, Py_ssize_t lda, void *B,
                          Py_ssize_t ldb) noexcept nogil
        void (*rows)(Py_ssize_t m, Py_ssize_t n, const void *x, Py_ssize_t ldx, void *out,
                     Py_ssize_t ldo) noexcept nogil
        void (*scale_rows)(Py_ssize_t m, Py_ssize_t n, const void *D, Py_ssize_t ld, const void *weight, double scale,
                           void *out) noexcept nogil
        void (*add)(Py_ssize_t n, const void *x, void *into) noexcept nogil
        void (*sum_rows)(Py_ssize_t m, Py_ssize_t n, const void *x, Py_ssize_t ldx, const void *y, Py_ssize_t ldy,
                         void *out, Py_ssize_t ldo) noexcept nogil
        void (*fetch)(Py_ssize_t m, Py_ssize_t n, const void *P, Py_ssize_t ldp) noexcept nogil
        void (*moments)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, Py_ssize_t step, const void *x,
                        Py_ssize_t ldx, const void *weight, const int64_t *order, Py_ssize_t first, double total,
                        void *mean, void *var) noexcept nogil
        void (*scale_of)(Py_ssize_t n, const void *var, double eps, void *scale) noexcept nogil
        void (*normalise)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, const void *x, Py_ssize_t ldx,
                          const void *mean, const void *scale, const void *gamma, const void *beta, void *out,
                          Py_ssize_t ldo) noexcept nogil
        void (*norm_sums)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, Py_ssize_t step, const void *x,
                          Py_ssize_t ldx, const void *delta, Py_ssize_t ldd, const void *mean, const void *scale,
                          int accumulate, void *sum_x, void *sum) noexcept nogil
        void (*normalise_grad)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, const void *x, Py_ssize_t ldx,
                               const void *delta, Py_ssize_t ldd, const void *mean, const void *scale,
                               const void *gamma, const void *weight, const int64_t *order, Py_ssize_t first,
                               double total, const void *sum_x, const void *sum, void *out,
                               Py_ssize_t ldo) noexcept nogil
        void (*norm_moves)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, Py_ssize_t step, const void *x,
                           Py_ssize_t ldx, const void *xt, Py_ssize_t ldxt, const void *mean, const void *scale,
                           const void *weight, const int64_t *order, Py_ssize_t first, void *spread,
                           void *shift) noexcept nogil
        void (*norm_sums_along)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, Py_ssize_t step, const void *x,
                                Py_ssize_t ldx, const void *xt, Py_ssize_t ldxt, const void *delta, Py_ssize_t ldd,
                                const void *mean, const void *scale, double total, const void *spread,
                                const void *shift, int accumulate, void *sum_x) noexcept nogil
        void (*norm_curve)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, const void *x, Py_ssize_t ldx,
                           const void *xt, Py_ssize_t ldxt, const void *delta, Py_ssize_t ldd, const void *mean,
                           const void *scale, const void *gamma, const void *weight, const int64_t *order,
                           Py_ssize_t first, double total, const void *spread, const void *shift, const void *sum_x,
                           const void *sum, void *out, Py_ssize_t ldo) noexcept nogil
        void (*affine)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, const void *x, Py_ssize_t ldx,
                       const void *gamma, const void *beta, void *out, Py_ssize_t ldo) noexcept nogil
        void (*feature_sums)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, const void *x, Py_ssize_t ldx,
                             const void *delta, Py_ssize_t ldd, int accumulate, void *sum_x, void *sum) noexcept nogil
        void (*row_norm)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, int centred, double eps, const void *x,
                         Py_ssize_t ldx, const void *gamma, const void *beta, void *normal, void *scale,
                         Py_ssize_t ldn, void *out, Py_ssize_t ldo) noexcept nogil
        void (*row_norm_slope)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, int centred, const void *normal,
                               const void *scale, Py_ssize_t ldn, const void *gamma, const void *v, Py_ssize_t ldv,
                               void *out, Py_ssize_t ldo) noexcept nogil
        void (*row_norm_curve)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, int centred, const void *normal,
                               const void *scale, Py_ssize_t ldn, const void *gamma, const void *delta,
                               Py_ssize_t ldd, const void *xt, Py_ssize_t ldxt, const void *normalt, Py_ssize_t ldnt,
                               void *out, Py_ssize_t ldo) noexcept nogil
        void (*blend)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, const void *u, Py_ssize_t ldu, const void *w,
                      Py_ssize_t ldw, const void *share, void *rest, Py_ssize_t ldr, void *out,
                      Py_ssize_t ldo) noexcept nogil
        void (*multiply)(Py_ssize_t positions, Py_ssize_t n, const void *x, Py_ssize_t ldx, const void *y,
                         Py_ssize_t ldy, int accumulate, void *out, Py_ssize_t ldo) noexcept nogil
        void (*waves)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, const void *x, Py_ssize_t ldx, Py_ssize_t step,
                      void *c, Py_ssize_t ldc, void *s, Py_ssize_t lds) noexcept nogil
        void (*waves_push)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, const void *xt, Py_ssize_t ldx,
                           Py_ssize_t step, const void *c, Py_ssize_t ldc, const void *s, Py_ssize_t lds, void *ct,
                           void *st, Py_ssize_t ldt) noexcept nogil
        void (*waves_pull)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, Py_ssize_t step, const void *c,
                           Py_ssize_t ldc, const void *s, Py_ssize_t lds, const void *dc, const void *ds,
                           Py_ssize_t ldd, void *dx, Py_ssize_t ldx) noexcept nogil
        void (*waves_curve)(Py_ssize_t m, Py_ssize_t positions, Py_ssize_t n, Py_ssize_t step, const void *c,
                            Py_ssize_t ldc, const void *s, Py_ssize_t lds, const void *dc, const void *ds,
                            Py_ssize_t ldd, const void *xt, void *dx, Py_ssize_t ldx) noexcept nogil
        void (*find_bins)(Py_ssize_t m, Py_ssize_t n, const void *x, Py_ssize_t ldx, const int32_t *first,
                          const void *edges, const void *slope, void *part, int32_t *bin,
                          Py_ssize_t ldp) noexcept nogil
        void (*push_bins)(Py_ssize_t m, Py_ssize_t n, const void *xt, Py_ssize_t ldx, const void *slope,
                          const int32_t *bin, Py_ssize_t ldp, void *part, Py_ssize_t ldt) noexcept nogil
        void (*sum_bins)(Py_ssize_t m, Py_ssize_t n, Py_ssize_t units, const void *part, const int32_t *bin,
                         Py_ssize_t ldt, Py_ssize_t ldp, const void *W, const void *before, Py_ssize_t ldw,
                         const void *b, void *out, Py_ssize_t ldo) noexcept nogil
        void (*pull_bins)(Py_ssize_t m, Py_ssize_t n, Py_ssize_t units, const void *slope, const int32_t *bin,
                          Py_ssize_t ldp, const void *W, Py_ssize_t ldw, const void *delta, Py_ssize_t ldd, void *dx,
                          Py_ssize_t ldx) noexcept nogil
        void (*knot_sums)(Py_ssize_t m, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t units, const int32_t *first,
                          double whole, const void *part, Py_ssize_t ldt, const int32_t *bin, Py_ssize_t ldp,
                          const void *delta, Py_ssize_t ldd, void *G, Py_ssize_t ldg) noexcept nogil
        void (*sums_before)(Py_ssize_t begin, Py_ssize_t end, const int32_t *first, const void *W, void *sums,
                            Py_ssize_t ldw) noexcept nogil
        void (*sums_from_above)(Py_ssize_t begin, Py_ssize_t end, const int32_t *first, void *G,
                                Py_ssize_t ldg) noexcept nogil
        void (*terms)(Py_ssize_t m, const source_t *X, const int64_t *order, Py_ssize_t first,
                      const uint8_t *stacked, double rate, uint64_t key, void *value, Py_ssize_t ldv, int32_t *column,
                      Py_ssize_t ldc, void *scratch) noexcept nogil
        void (*sum_terms)(Py_ssize_t m, Py_ssize_t units, const void *value, Py_ssize_t ldv, const int32_t *column,
                          Py_ssize_t ldc, const void *S, Py_ssize_t lds, const void *b, void *out,
                          Py_ssize_t ldo) noexcept nogil
        void (*add_terms)(Py_ssize_t m, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t units, const void *value,
                          Py_ssize_t ldv, const int32_t *column, Py_ssize_t ldc, const void *delta, Py_ssize_t ldd,
                          int accumulate, void *G, Py_ssize_t ldg, void *scratch) noexcept nogil
        void (*sums_of_stacks)(Py_ssize_t lo, Py_ssize_t hi, const uint8_t *stacked, const void *W, void *S,
                               Py_ssize_t ld) noexcept nogil
        void (*sums_down_stacks)(Py_ssize_t lo, Py_ssize_t hi, const uint8_t *stacked, void *G,
                                 Py_ssize_t ldg) noexcept nogil
        double (*sum)(Py_ssize_t n, const void *x) noexcept nogil
        double (*sum_squares)(Py_ssize_t n, const void *x) noexcept nogil
        double (*sum_abs)(Py_ssize_t n, const void *x) noexcept nogil
        int (*all_finite)(Py_ssize_t n, const void *x) noexcept nogil
        double (*largest)(Py_ssize_t n, const void *x) noexcept nogil
        void (*act)(int kind, double arg, Py_ssize_t n, const void *s, void *x) noexcept nogil
        void (*act_grad)(int kind, double arg, Py_ssize_t n, const void *sx, void *delta) noexcept nogil
        void (*act_curve)(int kind, double arg, Py_ssize_t n, const void *sx, const void *st, const void *u,
                          void *delta) noexcept nogil
        int (*loss)(const loss_t *rows) noexcept nogil
        void (*loss_curve)(const loss_t *rows, const void *xt, Py_ssize_t ldxt) noexcept nogil
        void (*link)(int kind, Py_ssize_t levels, Py_ssize_t m, Py_ssize_t n, const void *x, Py_ssize_t ldx, void *out,
                     Py_ssize_t ldo, void *scratch) noexcept nogil
        void (*step)(const step_t *s, Py_ssize_t m, Py_ssize_t n, void *P, Py_ssize_t ldp, const void *G,
                     Py_ssize_t ldg, void *S1, void *S2) noexcept nogil
        void (*gather)(const source_t *src, const int64_t *order, Py_ssize_t first, Py_ssize_t m, void *out,
                       Py_ssize_t ldo) noexcept nogil
        void (*mix)(Py_ssize_t m, Py_ssize_t n, const void *share, Py_ssize_t first, const void *y, void *x,
                    Py_ssize_t ld) noexcept nogil
        void (*fetch_rows)(const source_t *X, const loss_t *loss, const int64_t *order, Py_ssize_t first,
                           Py_ssize_t m) noexcept nogil
        void (*permute)(uint64_t first, Py_ssize_t m, uint64_t a, uint64_t b, const uint32_t *key,
                        int64_t *out) noexcept nogil
        void (*dropout)(Py_ssize_t m, Py_ssize_t n, const void *x, Py_ssize_t ldx, void *out, Py_ssize_t ldo,
                        double rate, uint64_t key, const int64_t *order, Py_ssize_t first) noexcept nogil
        void (*noise)(Py_ssize_t m, Py_ssize_t n, void *x, Py_ssize_t ldx, double sigma, uint64_t key,
                      const int64_t *order, Py_ssize_t first) noexcept nogil
        void (*jitter)(Py_ssize_t m, Py_ssize_t n, void *x, Py_ssize_t ldx, double width, uint64_t key,
                       const int64_t *order, Py_ssize_t first) noexcept nogil
        void (*attack)(const attack_t *a, Py_ssize_t m, Py_ssize_t n, const void *x0, const void *d, void *x,
                       Py_ssize_t ld) noexcept nogil
        void (*unpatch)(const window_t *g, Py_ssize_t p0, Py_ssize_t p1, const void *D, Py_ssize_t ldd,
                        void *dx) noexcept nogil
        void (*max_pool)(const window_t *g, const void *x, void *out) noexcept nogil
        void (*max_pool_grad)(const window_t *g, const void *x, const void *out, const void *delta,
                              void *dx) noexcept nogil
        void (*max_pool_tangent)(const window_t *g, const void *x, const void *out, const void *xt,
                                 void *outt) noexcept nogil
        void (*avg_pool)(const window_t *g, const void *x, void *out) noexcept nogil
        void (*avg_pool_grad)(const window_t *g, const void *x, const void *out, const void *delta,
                              void *dx) noexcept nogil
        int (*tiny_gradient)(int L, const tiny_layer_t *layers, const source_t *X, const loss_t *of) noexcept nogil
        int (*function)(const char *name, Py_ssize_t n, const void *x, void *out) noexcept nogil

    ctypedef struct activation_row:
        const char *name
        int needs_s, curved
        double arg
    ctypedef struct loss_row:
        const char *name
        int link
        double arg
    ctypedef struct step_row:
        const char *name
        int slots
    const activation_row fastmlp_activations[]
    const loss_row fastmlp_losses[]
    const step_row fastmlp_steps[]
    const char *fastmlp_links[]
    const char *fastmlp_sources[]

    const kernels_t *fastmlp_kernels(const char *isa, char precision) noexcept
    const char *fastmlp_isas[]
    const char *fastmlp_compiler

cdef extern from "kernels/float_mode.h" nogil:
    ctypedef uint64_t float_mode_t
    enum:
        ENGINE_MODE
    float_mode_t float_mode() noexcept
    void set_float_mode(float_mode_t mode) noexcept

cdef extern from "kernels/team.h" nogil:
    ctypedef unsigned shared_int
    ctypedef struct team_t:
        shared_int state, present
        int active, spin
        float_mode_t outside
    enum:
        MAX_THREADS
        SPIN
        TEAM_IDLE
        TEAM_OFF
    void team_barrier(team_t *team, int id) noexcept
    void team_run(team_t *team, int active, void (*job)(void *, int) noexcept nogil, void *arg) noexcept
    void team_work(team_t *team, int id) noexcept
    void team_call_roll(team_t *team) noexcept
    bint team_take(team_t *team) noexcept
    int load "LOAD"(shared_int *p) noexcept
    void store "STORE"(shared_int *p, int v) noexcept
    double now_seconds() noexcept

cdef extern from "kernels/meeting.h" nogil:
    enum:
        MEETING_NUMBERS
        LAYERS, MEETING_COUNTS
    ctypedef struct place_t:
        pass
    ctypedef struct meeting_t:
        place_t *places
        int rank, size, spin
        unsigned counts[MEETING_COUNTS]
    void count_on(meeting_t *m, int what, int n) noexcept
    void wait_for(const meeting_t *m, int what, unsigned count) noexcept
    void come(meeting_t *m, const double *numbers) noexcept
    void hear(const meeting_t *m, double *numbers) noexcept
    void meet(meeting_t *m, double *numbers) noexcept

cdef extern from "kernels/profile.h" nogil:
    enum:
        PROFILING
        PHASE_gather, PHASE_forward, PHASE_loss, PHASE_delta, PHASE_weight, PHASE_update, PHASE_barrier, N_PHASES
    const char *profile_phases[]
    void MARK_START(int thread) noexcept
    void MARK(int thread, int phase) noexcept
    uint64_t PROFILE_TICKS(int thread, int phase) noexcept
    void PROFILE_RESET() noexcept
