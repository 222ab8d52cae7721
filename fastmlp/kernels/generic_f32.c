#define ISA generic
#define ISA_GENERIC
#define REAL_BITS 32
#include "kernels.inc"
