/* Choose the kernels: which instruction sets this build contains and this machine supports; and the tables of names. */
#define _DEFAULT_SOURCE /* for syscall */
#include "kernels.h"

#include <string.h>

/* The instruction sets of this build, best last: X(name, instruction set whose full-precision tables it uses); and for
 * each whether this machine runs it. */
static int has_generic(void) { return 1; }
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#ifdef HAVE_AMX
#define ISAS(X) X(generic, generic) X(avx2, avx2) X(avx512, avx512) X(amx, avx512)
#else
#define ISAS(X) X(generic, generic) X(avx2, avx2) X(avx512, avx512)
#endif
/* Intel's manual, volume 1, 14.3 and 15.2. Compilers have a test of their own, but not all link with what it needs. */
#include <cpuid.h>
static int has_bits(unsigned word, unsigned wanted) { return (word & wanted) == wanted; }
/* saved: bits of XCR0, the registers that the operating system saves; extensions: bits of leaf 7's EBX */
static int has(unsigned saved, unsigned extensions)
{
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has_bits(c, bit_FMA | bit_OSXSAVE | bit_AVX)) return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return has_bits(low, saved) && __get_cpuid_count(7, 0, &a, &b, &c, &d) && has_bits(b, extensions);
}
static int has_avx2(void) { return has(0x06, bit_AVX2); }
#define AVX512 (bit_AVX2 | bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL)
static int has_avx512(void) { return has(0xe6, AVX512); }
#if defined(FASTMLP_AMX_EMULATED)
static int has_amx(void) { return has_avx512(); }
#elif defined(HAVE_AMX)
/* Linux saves the tiles only for processes that have asked for them (Documentation/arch/x86/xstate.rst). */
#include <sys/syscall.h>
#include <unistd.h>
static int has_amx(void)
{
    enum { XFEATURE_TILES = 18, ARCH_REQ_XCOMP_PERM = 0x1023, AMX_BF16 = 1 << 22, AMX_TILES = 1 << 24 };
    unsigned a, b, c, d;
    return has(0x600e6, AVX512) && __get_cpuid_count(7, 0, &a, &b, &c, &d) && has_bits(d, AMX_BF16 | AMX_TILES) &&
           !syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_TILES);
}
#endif
#elif (defined(__GNUC__) || defined(__clang__)) && defined(__aarch64__)
#define ISAS(X) X(generic, generic) X(neon, neon)
static int has_neon(void) { return 1; } /* part of the base instruction set */
#else
#define ISAS(X) X(generic, generic)
#endif

#define DECLARE(isa, full) extern const kernels_t fastmlp_##full##_f, fastmlp_##full##_d, fastmlp_##isa##_b;
ISAS(DECLARE)

#define ISA_ROW(isa, full) {#isa, has_##isa, &fastmlp_##full##_f, &fastmlp_##full##_d, &fastmlp_##isa##_b},
static const struct {
    const char *name;
    int (*is_here)(void);
    const kernels_t *f, *d, *b;
} BY_ISA[] = {ISAS(ISA_ROW)};

#define NAME(name, ...) #name,
const char *const fastmlp_isas[] = {ISAS(NAME) NULL};

const kernels_t *fastmlp_kernels(const char *isa, char precision)
{
    for (size_t i = 0; i < sizeof BY_ISA / sizeof *BY_ISA; i++)
        if (!strcmp(BY_ISA[i].name, isa) && BY_ISA[i].is_here())
            return precision == 'f' ? BY_ISA[i].f : precision == 'd' ? BY_ISA[i].d : BY_ISA[i].b;
    return NULL;
}

#define ACTIVATION_ROW(name, needs_s, curved, arg) {#name, needs_s, curved, arg},
#define LOSS_ROW(name, link, arg) {#name, LINK_##link, arg},
#define STEP_ROW(name, slots) {#name, slots},
const activation_row fastmlp_activations[] = {ACTIVATIONS(ACTIVATION_ROW)};
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
