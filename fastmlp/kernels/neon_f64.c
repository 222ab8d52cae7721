#define ISA neon
#define ISA_NEON
#define REAL_BITS 64
#if defined(__GNUC__) && defined(__aarch64__)
#include "kernels.inc"
#endif
