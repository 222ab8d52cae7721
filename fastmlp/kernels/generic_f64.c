#define ISA generic
#define ISA_GENERIC
#define REAL_BITS 64
#include "kernels.inc"
