/* SHA-256 or SHA-512 on vectors: FIPS 180-4, a candidate in each lane. Included for WORD_BITS of 32 and of
 * 64: the algorithms differ in the size of words, the number of rounds, and the rotations. */

#ifndef HASHFINDER_SHA2_H
#define HASHFINDER_SHA2_H

#include "layout.h"

enum { SHA2_STATE = 8 };

/* The first 64 bits of the fractions of the cube roots of the first 80 primes: for SHA-512. SHA-256 has the
 * first 32 bits of the first 64. */
static const uint64_t SHA2_CONSTANTS[ROUNDS] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

/* The same of the square roots of the first 8 primes. */
static const uint64_t SHA2_INITIAL[SHA2_STATE] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

INLINE longs rotate_long(longs x, int n) { return x << n | x >> (64 - n); }

#ifdef __SHA__
#include "shani.h"
#endif

#endif

#if WORD_BITS == 32
#define NAME(name) sha256_##name
#define VECTOR words
#define SCALAR uint32_t
#define ROTATE_RIGHT(x, n) rotate(x, 32 - (n))
/* The rotations of the big and small sigmas of FIPS 180-4; the last of the small ones is a shift. */
#define BIG_0 2, 13, 22
#define BIG_1 6, 11, 25
#define SMALL_0 7, 18, 3
#define SMALL_1 17, 19, 10
#ifdef __SHA__
#define SHANI
#define SHA2_STREAMS 1
#else
#define SHA2_STREAMS (VECTOR_BYTES == 16 ? 1 : 2)
#endif
#define SHA2_ROUNDS 64
#else
#define NAME(name) sha512_##name
#define VECTOR longs
#define SCALAR uint64_t
#define ROTATE_RIGHT(x, n) rotate_long(x, 64 - (n))
#define BIG_0 28, 34, 39
#define BIG_1 14, 18, 41
#define SMALL_0 1, 8, 7
#define SMALL_1 19, 61, 6
#define SHA2_STREAMS (VECTOR_BYTES == 64 ? 2 : 1)
#define SHA2_ROUNDS 80
#endif
/* Vectors of a unit: where words have 64 bits, it is two, of the even candidates and of the odd ones. */
#define HALVES (WORD_BITS / 32)
#define SUM(x, y, z) (VECTOR) parity((words)(x), (words)(y), (words)(z))
#define BIG(x, rotations) NAME(big)(x, rotations)
#define SMALL(x, rotations) NAME(small)(x, rotations)

INLINE VECTOR NAME(big)(VECTOR x, int i, int j, int k)
{
    return SUM(ROTATE_RIGHT(x, i), ROTATE_RIGHT(x, j), ROTATE_RIGHT(x, k));
}

INLINE VECTOR NAME(small)(VECTOR x, int i, int j, int k)
{
    return SUM(ROTATE_RIGHT(x, i), ROTATE_RIGHT(x, j), x >> k);
}

/* The constant of round t: for SHA-256 the upper half of the 64 bits. */
INLINE SCALAR NAME(k)(unsigned t)
{
    return ((const SCALAR *)SHA2_CONSTANTS)[(t + 1) * (64 / WORD_BITS) - 1];
}

static uint64_t NAME(initial)(unsigned i) { return SHA2_INITIAL[i] >> (64 - WORD_BITS); }

/* A round with W + K in `addend`, on the state a to h: sets d to the new e and h to the new a. */
INLINE void NAME(round)(VECTOR addend, VECTOR a, VECTOR b, VECTOR c, VECTOR *d, VECTOR e, VECTOR f,
                        VECTOR g, VECTOR *h)
{
    VECTOR sum = *h + addend + (VECTOR)blend((words)e, (words)f, (words)g) + BIG(e, BIG_1);

    *d += sum;
    *h = sum + (VECTOR)majority((words)a, (words)b, (words)c) + BIG(a, BIG_0);
}

/* Do a round, and shift the state by one word. */
INLINE void NAME(step)(VECTOR x[SHA2_STATE], VECTOR addend)
{
    VECTOR d = x[3], h = x[7];

    NAME(round)(addend, x[0], x[1], x[2], &d, x[4], x[5], x[6], &h);
    x[7] = x[6], x[6] = x[5], x[5] = x[4], x[4] = d, x[3] = x[2], x[2] = x[1], x[1] = x[0], x[0] = h;
}

static void NAME(expand)(words message[ROUNDS])
{
    VECTOR *w = (VECTOR *)message;

    for (int t = 16; t < SHA2_ROUNDS; t++)
        w[t] = w[t - 16] + SMALL(w[t - 15], SMALL_0) + w[t - 7] + SMALL(w[t - 2], SMALL_1);
}

static void NAME(add_constants)(words message[ROUNDS])
{
    for (unsigned t = 0; t < SHA2_ROUNDS; t++)
        ((VECTOR *)message)[t] += NAME(k)(t);
}

static void NAME(run)(words state[STATE], const words sum[ROUNDS], unsigned from, unsigned to)
{
    for (unsigned t = from; t < to; t++)
        NAME(step)((VECTOR *)state, ((const VECTOR *)sum)[t]);
}

/* Round k of a pass of 8 or 16, after which each word of the state is back in its place. */
INLINE void NAME(pass_round)(VECTOR x[SHA2_STATE], VECTOR addend, unsigned k)
{
    NAME(round)(addend, x[(8 - k) % 8], x[(9 - k) % 8], x[(10 - k) % 8], &x[(11 - k) % 8],
                x[(12 - k) % 8], x[(13 - k) % 8], x[(14 - k) % 8], &x[(15 - k) % 8]);
}

#ifdef SHANI

/* Do the rounds from t on, t below 16, with the messages' words in w. */
INLINE void NAME(rounds)(VECTOR state[1][SHA2_STATE], VECTOR w[1][16], unsigned t)
{
    for (; t % 4; t++)
        NAME(step)(state[0], w[0][t] + NAME(k)(t));
    shani_vary(state[0], w[0], t);
}

/* Do all rounds, with W + K the same for all candidates. */
INLINE void NAME(constant_rounds)(VECTOR state[1][SHA2_STATE], const SCALAR *sums)
{
    shani_constant(state[0], sums);
}

#else

/* Do the rounds from t on, t below 16, with the messages' words in w. The compiler must not keep the ring of
 * words in registers, which are too few: each word is stored where it is made. */
OUTLINE void NAME(rounds)(VECTOR state[SHA2_STREAMS][SHA2_STATE], VECTOR w[SHA2_STREAMS][16],
                          unsigned t)
{
    VECTOR x[SHA2_STREAMS][SHA2_STATE];

    memcpy(x, state, sizeof x);
    for (; t % 8; t++)
        UNROLL
        for (int s = 0; s < SHA2_STREAMS; s++)
            NAME(step)(x[s], w[s][t] + NAME(k)(t));
    for (; t < 16; t += 8)
        UNROLL
        for (unsigned k = 0; k < 8; k++)
            UNROLL
            for (int s = 0; s < SHA2_STREAMS; s++)
                NAME(pass_round)(x[s], w[s][t + k] + NAME(k)(t + k), k);
    for (; t < SHA2_ROUNDS; t += 16)
        UNROLL
        for (unsigned k = 0; k < 16; k++)
            UNROLL
            for (int s = 0; s < SHA2_STREAMS; s++) {
                VECTOR next = w[s][k] + w[s][(k + 9) % 16] + SMALL(w[s][(k + 1) % 16], SMALL_0)
                              + SMALL(w[s][(k + 14) % 16], SMALL_1);
                w[s][k] = next;
                __asm__("" : "+m"(w[s][k]));
                NAME(pass_round)(x[s], next + NAME(k)(t + k), k);
            }
    memcpy(state, x, sizeof x);
}

/* Do all rounds, with W + K the same for all candidates. */
INLINE void NAME(constant_rounds)(VECTOR x[SHA2_STREAMS][SHA2_STATE], const SCALAR *sums)
{
    for (unsigned t = 0; t < SHA2_ROUNDS; t += 8)
        UNROLL
        for (unsigned k = 0; k < 8; k++)
            UNROLL
            for (int s = 0; s < SHA2_STREAMS; s++)
                NAME(pass_round)(x[s], (VECTOR){0} + sums[t + k], k);
}

#endif

OUTLINE void NAME(first)(const struct kernel_plan *plan, const struct outers *outers,
                         const struct unit *units, unsigned count,
                         words *digest)
{
    enum { OUTERS = VECTOR_BYTES / sizeof(SCALAR) };
    VECTOR x[SHA2_STREAMS][SHA2_STATE], w[SHA2_STREAMS][16];

    for (unsigned j = 0; j < count * HALVES; j += SHA2_STREAMS) {
        for (int s = 0; s < SHA2_STREAMS; s++) {
            const struct unit *unit = &units[(j + s) / HALVES];
            const VECTOR *lanes = (const VECTOR *)unit->lanes + (j + s) % HALVES;
            const SCALAR *outer = (const SCALAR *)outers->message + unit->outer;
            const SCALAR *state = (const SCALAR *)outers->state + unit->outer;
            for (int t = 0; t < 16; t++)
                w[s][t] = lanes[t * HALVES] | outer[t * OUTERS];
            for (int i = 0; i < SHA2_STATE; i++)
                x[s][i] = (VECTOR){0} + state[i * OUTERS];
        }
        NAME(rounds)(x, w, plan->first_word);
        for (int s = 0; s < SHA2_STREAMS; s++)
            for (int i = 0; i < SHA2_STATE; i++)
                ((VECTOR *)digest)[i * GROUP * HALVES + j + s] =
                    x[s][i]
                    + ((const SCALAR *)&outers->chain[i])[units[(j + s) / HALVES].outer];
    }
}

OUTLINE void NAME(second)(const struct kernel_plan *plan, const struct unit *units, unsigned count,
                         words *digest)
{
    VECTOR x[SHA2_STREAMS][SHA2_STATE], w[SHA2_STREAMS][16];

    for (unsigned j = 0; j < count * HALVES; j += SHA2_STREAMS) {
        VECTOR *state = (VECTOR *)digest + j;
        for (int s = 0; s < SHA2_STREAMS; s++) {
            const words *lanes = units[(j + s) / HALVES].lanes + plan->table_size;
            for (int t = 0; t < 16; t++)
                w[s][t] = ((const VECTOR *)lanes)[t * HALVES + (j + s) % HALVES]
                          | ((const VECTOR *)plan->second)[t];
            for (int i = 0; i < SHA2_STATE; i++)
                x[s][i] = state[i * GROUP * HALVES + s];
        }
        NAME(rounds)(x, w, 0);
        for (int s = 0; s < SHA2_STREAMS; s++)
            for (int i = 0; i < SHA2_STATE; i++)
                state[i * GROUP * HALVES + s] += x[s][i];
    }
}

OUTLINE void NAME(constant)(const void *sum, unsigned count, words *digest)
{
    VECTOR x[SHA2_STREAMS][SHA2_STATE];

    for (unsigned j = 0; j < count * HALVES; j += SHA2_STREAMS) {
        VECTOR *state = (VECTOR *)digest + j;
        for (int s = 0; s < SHA2_STREAMS; s++)
            for (int i = 0; i < SHA2_STATE; i++)
                x[s][i] = state[i * GROUP * HALVES + s];
        NAME(constant_rounds)(x, sum);
        for (int s = 0; s < SHA2_STREAMS; s++)
            for (int i = 0; i < SHA2_STATE; i++)
                state[i * GROUP * HALVES + s] += x[s][i];
    }
}

static const struct hash NAME(hash) = {
    .word_bytes = sizeof(SCALAR),
    .state = SHA2_STATE,
    .rounds = SHA2_ROUNDS,
    .table = 16 * HALVES,
    .initial = NAME(initial),
    .expand = NAME(expand),
    .add_constants = NAME(add_constants),
    .run = NAME(run),
    .first = NAME(first),
    .second = NAME(second),
    .constant = NAME(constant),
};

#undef NAME
#undef VECTOR
#undef SCALAR
#undef ROTATE_RIGHT
#undef BIG_0
#undef BIG_1
#undef SMALL_0
#undef SMALL_1
#undef SHANI
#undef SHA2_STREAMS
#undef SHA2_ROUNDS
#undef HALVES
#undef SUM
#undef BIG
#undef SMALL
#undef WORD_BITS
