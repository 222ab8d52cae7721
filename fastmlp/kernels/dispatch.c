/* Which kernels this build holds and this machine can run; the tables by name. */
#include <string.h>
#include "kernels.h"

#if defined(__GNUC__) && defined(__x86_64__)
/* the compiler's test covers the operating system's saving of the registers too */
static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}
#elif defined(__GNUC__) && defined(__aarch64__)
static int has_neon(void) { return 1; } /* part of the base instruction set */
#endif
static int has_generic(void) { return 1; }

static const struct { const char *isa; int (*here)(void); const kernels_t *f, *d; } ROWS[] = {
    {"generic", has_generic, &fastmlp_generic_f, &fastmlp_generic_d},
#if defined(__GNUC__) && defined(__x86_64__)
    {"avx2", has_avx2, &fastmlp_avx2_f, &fastmlp_avx2_d},
    {"avx512", has_avx512, &fastmlp_avx512_f, &fastmlp_avx512_d},
#elif defined(__GNUC__) && defined(__aarch64__)
    {"neon", has_neon, &fastmlp_neon_f, &fastmlp_neon_d},
#endif
};

const char *const fastmlp_isas[] = {
    "generic",
#if defined(__GNUC__) && defined(__x86_64__)
    "avx2", "avx512",
#elif defined(__GNUC__) && defined(__aarch64__)
    "neon",
#endif
    NULL};

const kernels_t *fastmlp_kernels(const char *isa, char dtype)
{
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        if (!strcmp(ROWS[i].isa, isa) && ROWS[i].here()) return dtype == 'f' ? ROWS[i].f : ROWS[i].d;
    return NULL;
}

#define ACT_ROW(name, needs_s, curved, arg) {#name, needs_s, curved, arg},
#define LOSS_ROW(name, link, arg) {#name, LINK_##link, arg},
#define STEP_ROW(name, slots) {#name, slots},
#define NAME(name, ...) #name,
const activation_row fastmlp_activations[] = {ACTIVATIONS(ACT_ROW)};
const loss_row fastmlp_losses[] = {LOSSES(LOSS_ROW)};
const step_row fastmlp_steps[] = {STEPS(STEP_ROW)};
const char *const fastmlp_links[] = {LINKS(NAME)};
const char *const fastmlp_sources[] = {SOURCES(NAME)};

#if defined(__clang__)
const char *const fastmlp_compiler = "clang " __clang_version__;
#elif defined(__GNUC__)
const char *const fastmlp_compiler = "gcc " __VERSION__;
#else
const char *const fastmlp_compiler = "another compiler";
#endif
