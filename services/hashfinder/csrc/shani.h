/* SHA-256 by the CPU's SHA instructions, for CPUs without AVX-512. One instruction does two rounds of one
 * candidate. It takes four cycles, and every two cycles one can start: candidates are hashed four at once.
 * They are four adjacent lanes of vectors. `sha2.h` includes this after the table of constants.
 *
 * The instructions know nothing of the upper halves of AVX's registers. While these are in use, each takes
 * hundreds of cycles on Intel's CPUs, so both functions clear them first. */

#ifndef HASHFINDER_SHANI_H
#define HASHFINDER_SHANI_H

#include "layout.h"

enum { SHANI_STREAMS = 4 };

/* The state as the instructions have it: two registers, their words from the lowest one up. */
static const unsigned SHANI_ORDER[2][4] = {{5, 4, 1, 0}, {7, 6, 3, 2}};

INLINE void shani_transpose(const __m128i rows[4], __m128i columns[4])
{
    __m128i low_0 = _mm_unpacklo_epi32(rows[0], rows[1]), low_1 = _mm_unpacklo_epi32(rows[2], rows[3]);
    __m128i high_0 = _mm_unpackhi_epi32(rows[0], rows[1]), high_1 = _mm_unpackhi_epi32(rows[2], rows[3]);

    columns[0] = _mm_unpacklo_epi64(low_0, low_1);
    columns[1] = _mm_unpackhi_epi64(low_0, low_1);
    columns[2] = _mm_unpacklo_epi64(high_0, high_1);
    columns[3] = _mm_unpackhi_epi64(high_0, high_1);
}

/* Read the states of four adjacent lanes, from lane 4 * `part` on. */
INLINE void shani_load(const words *state, unsigned part, __m128i x[2][SHANI_STREAMS])
{
    UNROLL
    for (int half = 0; half < 2; half++) {
        __m128i rows[4];
        UNROLL
        for (int i = 0; i < 4; i++)
            rows[i] = ((const __m128i *)&state[SHANI_ORDER[half][i]])[part];
        shani_transpose(rows, x[half]);
    }
}

INLINE void shani_store(words *state, unsigned part, const __m128i x[2][SHANI_STREAMS])
{
    UNROLL
    for (int half = 0; half < 2; half++) {
        __m128i rows[4];
        shani_transpose(x[half], rows);
        UNROLL
        for (int i = 0; i < 4; i++)
            ((__m128i *)&state[SHANI_ORDER[half][i]])[part] = rows[i];
    }
}

/* The constants of four rounds: the upper halves of SHA-512's. */
INLINE __m128i shani_constants(unsigned t)
{
    const float *k = (const float *)&SHA2_CONSTANTS[t];

    return (__m128i)_mm_shuffle_ps(_mm_loadu_ps(k), _mm_loadu_ps(k + 4), 0xdd);
}

/* Do four rounds of the stream s, with W + K in `sums`. */
INLINE void shani_round(__m128i x[2][SHANI_STREAMS], int s, __m128i sums)
{
    x[1][s] = _mm_sha256rnds2_epu32(x[1][s], x[0][s], sums);
    x[0][s] = _mm_sha256rnds2_epu32(x[0][s], x[1][s], _mm_shuffle_epi32(sums, 0x0e));
}

/* Do the rounds from t on, 0 to 12 and a multiple of 4, with the messages' words in w. */
OUTLINE void shani_vary(words *state, const words w[16], unsigned t)
{
    _mm256_zeroupper();
    for (unsigned part = 0; part < LANES / SHANI_STREAMS; part++) {
        __m128i x[2][SHANI_STREAMS], ring[4][SHANI_STREAMS];
        shani_load(state, part, x);
        for (int i = 0; i < 4; i++) {
            __m128i rows[4];
            UNROLL
            for (int j = 0; j < 4; j++)
                rows[j] = ((const __m128i *)&w[4 * i + j])[part];
            shani_transpose(rows, ring[i]);
        }
        for (unsigned i = t / 4; i < 4; i++)
            UNROLL
            for (int s = 0; s < SHANI_STREAMS; s++)
                shani_round(x, s, _mm_add_epi32(ring[i][s], shani_constants(4 * i)));
        for (unsigned pass = 16; pass < 64; pass += 16)
            UNROLL
            for (unsigned i = 0; i < 4; i++)
                UNROLL
                for (int s = 0; s < SHANI_STREAMS; s++) {
                    __m128i last = ring[(i + 3) % 4][s];
                    __m128i next = _mm_sha256msg1_epu32(ring[i][s], ring[(i + 1) % 4][s]);
                    next = _mm_add_epi32(next, _mm_alignr_epi8(last, ring[(i + 2) % 4][s], 4));
                    ring[i][s] = next = _mm_sha256msg2_epu32(next, last);
                    __asm__("" : "+m"(ring[i][s]));  /* see sha2.h */
                    shani_round(x, s, _mm_add_epi32(next, shani_constants(pass + 4 * i)));
                }
        shani_store(state, part, x);
    }
}

/* Do all rounds of a block that is the same for all candidates, with its W + K in `sums`. */
OUTLINE void shani_constant(words *state, const uint32_t sums[64])
{
    _mm256_zeroupper();
    for (unsigned part = 0; part < LANES / SHANI_STREAMS; part++) {
        __m128i x[2][SHANI_STREAMS];
        shani_load(state, part, x);
        for (int i = 0; i < 16; i++)
            UNROLL
            for (int s = 0; s < SHANI_STREAMS; s++)
                shani_round(x, s, ((const __m128i_u *)sums)[i]);
        shani_store(state, part, x);
    }
}

#endif
