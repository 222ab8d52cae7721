/* AMX's tiles in plain C, for machines that have none: as Intel's manual describes TDPBF16PS, which flushes subnormal
 * numbers and rounds to nearest whatever MXCSR is. */
#undef _tile_loadconfig
#undef _tile_release
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig(config) ((void)(config))
#define _tile_release() ((void)0)
#define _tile_loadd(tile, from, stride) emulated_copy(tile, (const char *)(from), NULL, stride)
#define _tile_stored(tile, to, stride) emulated_copy(tile, NULL, (char *)(to), stride)
#define _tile_dpbf16ps(c, a, b) emulated_dpbf16ps(c, a, b)

static _Thread_local uint32_t emulated_tiles[8][16][16];

static void emulated_copy(int tile, const char *from, char *to, size_t stride)
{
    for (size_t i = 0; i < 16; i++) {
        if (from) memcpy(emulated_tiles[tile][i], from + i * stride, 64);
        else memcpy(to + i * stride, emulated_tiles[tile][i], 64);
    }
}

static float emulated_half(uint32_t pair, int odd)
{
    const uint32_t bits = odd ? pair & 0xffff0000u : pair << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void emulated_dpbf16ps(int c, int a, int b)
{
    const unsigned mode = _mm_getcsr();
    _mm_setcsr(0x1f80 | 0x8040);
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++) {
            float sums[2] = {0, 0}, before;
            for (int p = 0; p < 16; p++)
                for (int odd = 0; odd < 2; odd++)
                    sums[odd] = __builtin_fmaf(emulated_half(emulated_tiles[a][i][p], odd),
                                               emulated_half(emulated_tiles[b][p][j], odd), sums[odd]);
            memcpy(&before, &emulated_tiles[c][i][j], sizeof before);
            before = before + (sums[0] + sums[1]);
            memcpy(&emulated_tiles[c][i][j], &before, sizeof before);
        }
    _mm_setcsr(mode);
}
