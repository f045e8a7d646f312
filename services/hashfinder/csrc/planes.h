/* Digests as *planes*: a plane has one bit of the digest, for all candidates of a group. Bit v of lane i
 * belongs to candidate i of vector v. */

#ifndef HASHFINDER_PLANES_H
#define HASHFINDER_PLANES_H

#include "layout.h"

/* Transpose 32 rows of bits, in each lane by itself: bit v of row 31 - b becomes bit b of row v. */
#if VECTOR_BYTES == 64

/* The rows are rotated, each by its number, then the columns, and then the rows again: where a rotation and a
 * choice between bits are one instruction each, this takes the fewest. A column is rotated in five steps, by
 * choosing between a row and the one 16, 8, 4, 2 or 1 before it. */
static __attribute__((noinline)) void transpose(words rows[32])
{
    static const uint32_t masks[5] = {0xaaaaaaaa, 0xcccccccc, 0xf0f0f0f0, 0xff00ff00, 0xffff0000};
    const words zero = {0};
    words x[32];

    UNROLL
    for (int i = 0; i < 32; i++)
        x[i] = i ? rotate(rows[32 - i], 32 - i) : rows[0];
    UNROLL
    for (int k = 4; k >= 0; k--) {
        const int step = 1 << k;
        UNROLL
        for (int start = 0; start < step; start++) {  /* one cycle after another: only one row has to be kept aside */
            words last = x[32 - step + start];
            UNROLL
            for (int i = 32 - step + start; i >= step; i -= step)
                x[i] = blend(zero + masks[k], x[i - step], x[i]);
            x[start] = blend(zero + masks[k], last, x[start]);
        }
    }
    UNROLL
    for (int i = 0; i < 32; i++)
        rows[31 - i] = i ? rotate(x[i], 32 - i) : x[i];
}

#else

/* Exchange the upper half of each `2 * bits` bits of x with the lower half of those of y. */
INLINE void exchange(words *x, words *y, int bits)
{
    const words zero = {0}, lower = zero + 0xffffffff / ((1u << bits) + 1);
#ifdef __AVX2__
    if (bits == 16) {  /* whole words of 16 bits, and bytes, can be chosen in one operation */
        words shifted = *x >> 16;
        *x = (words)_mm256_blend_epi16((__m256i)(*y << 16), (__m256i)*x, 0x55);
        *y = (words)_mm256_blend_epi16((__m256i)*y, (__m256i)shifted, 0x55);
        return;
    }
    if (bits == 8) {
        words shifted = *x >> 8;
        *x = (words)_mm256_blendv_epi8((__m256i)(*y << 8), (__m256i)*x, (__m256i)lower);
        *y = (words)_mm256_blendv_epi8((__m256i)*y, (__m256i)shifted, (__m256i)lower);
        return;
    }
#endif
    words differing = (*x >> bits ^ *y) & lower;
    *y ^= differing;
    *x ^= differing << bits;
}

/* Exchange `step * unit` bits between each row and the one `step` rows after it, for each `step` from half of
 * the rows down to 1. */
INLINE void exchange_rows(words *rows, int count, int unit)
{
    UNROLL
    for (int step = count / 2; step; step /= 2)
        UNROLL
        for (int i = 0; i < count; i++)
            if (!(i & step))
                exchange(&rows[i], &rows[i + step], step * unit);
}

/* Exchange halves of the square, then quarters, and so on, across its diagonal. Four rows at a time, then
 * eight: as many as there are registers for. */
static __attribute__((noinline)) void transpose(words rows[32])
{
    words x[32];

    for (int i = 0; i < 8; i++) {
        words r[4] = {rows[i], rows[i + 8], rows[i + 16], rows[i + 24]};
        exchange_rows(r, 4, 8);
        x[i] = r[0], x[i + 8] = r[1], x[i + 16] = r[2], x[i + 24] = r[3];
    }
    for (int i = 0; i < 32; i += 8) {
        words r[8];
        UNROLL
        for (int k = 0; k < 8; k++)
            r[k] = x[i + k];
        exchange_rows(r, 8, 1);
        UNROLL
        for (int k = 0; k < 8; k++)
            rows[31 - i - k] = r[k];
    }
}

#endif

/* Split words of 64 bits into their upper and their lower halves, in order of the candidates: vectors of even
 * candidates and of odd ones alternate in `digest`. */
static void split(const words digest[2 * GROUP], words upper[GROUP], words lower[GROUP])
{
    const longs zero = {0}, low = zero + 0xffffffff;

    for (int i = 0; i < GROUP; i++) {
        longs even = (longs)digest[2 * i], odd = (longs)digest[2 * i + 1];
        upper[i] = (words)(even >> 32 | (odd & ~low));
        lower[i] = (words)((even & low) | odd << 32);
    }
}

#endif
