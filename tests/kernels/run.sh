#!/bin/sh
# Compiles the kernels for this machine and for aarch64, runs every function of theirs (harness.c), the aarch64 code
# under qemu, and wants the same bits from all: from compilers, instruction sets and machines.
# Prints "skipped: .." and succeeds where a cross compiler or qemu is missing. Where there are zig (on the path) and wine
# (Debian: wine64) also for Windows, as clang-cl compiles them.
cd "$(dirname "$0")/../.." || exit 1
skip() { echo "skipped: $*"; exit 0; }
[ "$(uname -m)" = x86_64 ] || skip "this machine is not x86-64"
CROSS=aarch64-linux-gnu-gcc
QEMU=$(command -v qemu-aarch64 || command -v qemu-aarch64-static) || skip "qemu-aarch64 is missing (Debian: qemu-user)"
command -v $CROSS >/dev/null || skip "$CROSS is missing (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross)"

OUT=$(mktemp -d) || exit 1
trap 'rm -rf "$OUT"' EXIT
# as in setup.py
FLAGS="-O3 -std=c11 -ffp-contract=off -fno-math-errno -fno-trapping-math -Wno-psabi -Ifastmlp/kernels"
failed=0 first=

# the kernels' tables, and what harness.c is compiled with for each
PRECISIONS="f d b"
options() { case $1 in d) echo "-DREAL=double" ;; *) echo "-DREAL=float" ;; esac; echo "-DPRECISION='$1'"; }

# build NAME COMPILER FUSED FLAGS..: a harness for each precision. FUSED tells the compiler that it may count on a fused
# multiply-add, so that generic code has it too.
build() {
    name=$1 compiler=$2 fused=$3
    shift 3
    for f in fastmlp/kernels/*.c; do
        case $f in */generic*) more=$fused ;; *) more= ;; esac
        $compiler $FLAGS $more "$@" -c "$f" -o "$OUT/$name-$(basename "$f" .c).o" || exit 1
    done
    for precision in $PRECISIONS; do
        $compiler $FLAGS "$@" $(options $precision) tests/kernels/harness.c "$OUT/$name"-*.o \
            -o "$OUT/$name.$precision" -lm || exit 1
    done
}

# run NAME ISA [EMULATOR]: run both and compare with what the first run printed
run() {
    (for precision in $PRECISIONS; do $3 "$OUT/$1.$precision" "$2" || exit; done) >"$OUT/lines" 2>"$OUT/error"
    status=$?
    sed -i 's/\r$//' "$OUT/lines" # of Windows
    case $status in
    0) ;;
    2) echo "$1 $2: $(cat "$OUT/error")"; return ;;
    *) echo "$1 $2: FAILED"; cat "$OUT/error"; failed=1; return ;;
    esac
    if [ -z "$first" ]; then
        first="$1 $2"
        cp "$OUT/lines" "$OUT/wanted"
        echo "$1 $2: $(wc -l <"$OUT/wanted") hashes"
    elif diff "$OUT/wanted" "$OUT/lines" >"$OUT/diff"; then
        echo "$1 $2: the same"
    else
        echo "$1 $2: DIFFERS from $first"
        head -20 "$OUT/diff"
        failed=1
    fi
}

# build_windows: kernels by clang in its mode for Microsoft's headers, of which they use little, linked for wine
build_windows() {
    mkdir "$OUT/include"
    echo '#include <stddef.h>
void *memcpy(void *, const void *, size_t); void *memset(void *, int, size_t); int strcmp(const char *, const char *);' \
        >"$OUT/include/string.h"
    echo 'double sqrt(double), fabs(double), fma(double, double, double); float sqrtf(float), fabsf(float);
float fmaf(float, float, float);
#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")' >"$OUT/include/math.h"
    echo '#include <stddef.h>
void *malloc(size_t), *_aligned_malloc(size_t, size_t); void free(void *), _aligned_free(void *), abort(void);' \
        >"$OUT/include/stdlib.h"
    echo >"$OUT/include/stdio.h" && cp "$OUT/include/stdio.h" "$OUT/include/malloc.h"
    echo 'int _fltused = 1;' >"$OUT/fltused.c"
    lib=$(zig env | sed -n 's/.*lib_dir[" =:]*"\(.*\)".*/\1/p')
    for f in fastmlp/kernels/*.c; do
        case $f in */generic*) more="-mfma -D__FP_FAST_FMA -D__FP_FAST_FMAF" ;; *) more= ;; esac
        zig clang --target=x86_64-pc-windows-msvc $FLAGS $more -isystem "$OUT/include" -isystem "$lib/include" -c "$f" \
            -o "$OUT/windows-$(basename "$f" .c).o" || exit 1
    done
    for precision in $PRECISIONS; do
        zig cc -target x86_64-windows-gnu $FLAGS $(options $precision) tests/kernels/harness.c \
            "$OUT/fltused.c" "$OUT/windows"-*.o -o "$OUT/windows.$precision" || exit 1
    done
}

build gcc gcc -mfma
run gcc avx2
run gcc avx512
run gcc generic
build aarch64 $CROSS "" -static
run aarch64 neon "$QEMU"
run aarch64 generic "$QEMU"
build emulated gcc -mfma -DFASTMLP_AMX_EMULATED -Itests/kernels
run emulated amx
if command -v clang >/dev/null; then
    build clang clang "-mfma -D__FP_FAST_FMA -D__FP_FAST_FMAF" # which it has, and does not say
    run clang avx2
    run clang avx512
    run clang generic
fi
WINE=$(command -v wine64 || command -v /usr/lib/wine/wine64) || WINE=
if command -v zig >/dev/null && [ -n "$WINE" ]; then
    export WINEPREFIX="$OUT/wine" WINEDEBUG=-all
    build_windows
    for isa in avx2 avx512 generic; do run windows $isa "$WINE"; done
    sleep 5 # until wine's server has gone
fi
[ -n "$first" ] || { echo "nothing ran"; exit 1; }
exit $failed
