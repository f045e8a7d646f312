/* SHA-1 on vectors: FIPS 180-4, a candidate in each lane. See docs/kernel.md. */

#ifndef HASHFINDER_SHA1_H
#define HASHFINDER_SHA1_H

#include "layout.h"

/* Vectors hashed at once: in the unrolled rounds, as many as the CPU's cache of decoded instructions holds,
 * see setup.py; in the loops, as many as there are registers for. */
#define SHA1_LOOP_STREAMS (VECTOR_BYTES == 64 ? 4 : VECTOR_BYTES == 32 ? 2 : 1)

enum { SHA1_ROUNDS = 80, SHA1_STATE = 5 };

static const uint32_t SHA1_CONSTANTS[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};

static uint64_t sha1_initial(unsigned i)
{
    static const uint32_t initial[SHA1_STATE] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                                                 0xc3d2e1f0};
    return initial[i];
}

/* Linear: the expansion of an exclusive-or is the exclusive-or of the expansions. */
static void sha1_expand(words w[ROUNDS])
{
    for (int t = 16; t < SHA1_ROUNDS; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
}

static void sha1_add_constants(words w[ROUNDS])
{
    for (int t = 0; t < SHA1_ROUNDS; t++)
        w[t] += SHA1_CONSTANTS[t / 20];
}

/* The function of the 20 rounds that `phase` (0 to 3) numbers. */
INLINE words sha1_function(int phase, words b, words c, words d)
{
    return phase == 0 ? blend(b, c, d) : phase == 2 ? majority(b, c, d) : parity(b, c, d);
}

/* A round with W + K in `addend`. Only `a` is fresh from the round before: it is added last. */
INLINE void sha1_round(int phase, words addend, words a, words *b, words c, words d, words *e)
{
    *e += addend;
    *e += sha1_function(phase, *b, c, d);
    *e += rotate(a, 5);
    *b = rotate(*b, 30);
}

static void sha1_run(words x[STATE], const words sum[ROUNDS], unsigned from, unsigned to)
{
    for (unsigned t = from; t < to; t++) {
        words e = x[4], b = x[1];
        if (t < 20)
            sha1_round(0, sum[t], x[0], &b, x[2], x[3], &e);
        else if (t >= 40 && t < 60)
            sha1_round(2, sum[t], x[0], &b, x[2], x[3], &e);
        else
            sha1_round(1, sum[t], x[0], &b, x[2], x[3], &e);
        x[4] = x[3], x[3] = x[2], x[2] = b, x[1] = x[0], x[0] = e;
    }
}

/* ---- Loops, for any first word -----------------------------------------------------------------
 *
 * After 5 rounds each word of the state is back in its place: five rounds make a pass. */

/* What a round adds, for each stream: `lanes[t] ^ message[t]`, and the constant; or one number, `sum[t]`. */
struct sha1_words {
    const words *lanes[SHA1_LOOP_STREAMS];
    const uint32_t *message[SHA1_LOOP_STREAMS];  /* LANES apart */
    const uint32_t *sum;
};

INLINE words sha1_addend(const struct sha1_words *w, int s, unsigned t, int phase, bool constant)
{
    const words zero = {0};

    if (constant)
        return zero + w->sum[t];
    return (w->lanes[s][t] ^ w->message[s][t * LANES]) + SHA1_CONSTANTS[phase];
}

INLINE void sha1_loops(words state[SHA1_LOOP_STREAMS][SHA1_STATE], const struct sha1_words *w,
                       unsigned t, bool constant)
{
    enum { N = SHA1_LOOP_STREAMS };
    words x[N][SHA1_STATE];

    memcpy(x, state, sizeof x);
    for (; t % 5; t++)  /* all words of messages are in the first 20 rounds */
        UNROLL
        for (int s = 0; s < N; s++) {
            words *y = x[s], a = y[0], d = y[3];
            sha1_round(0, sha1_addend(w, s, t, 0, constant), a, &y[1], y[2], d, &y[4]);
            y[0] = y[4], y[4] = d, y[3] = y[2], y[2] = y[1], y[1] = a;
        }
    UNROLL
    for (int phase = 0; phase < 4; phase++)
        for (unsigned end = 20 * (unsigned)phase + 20; t < end; t += 5)
            UNROLL
            for (unsigned k = 0; k < 5; k++)
                UNROLL
                for (int s = 0; s < N; s++)
                    sha1_round(phase, sha1_addend(w, s, t + k, phase, constant), x[s][(5 - k) % 5],
                               &x[s][(6 - k) % 5], x[s][(7 - k) % 5], x[s][(8 - k) % 5],
                               &x[s][(9 - k) % 5]);
    memcpy(state, x, sizeof x);
}

OUTLINE void sha1_vary(words state[SHA1_LOOP_STREAMS][SHA1_STATE], const struct sha1_words *w, unsigned t)
{
    sha1_loops(state, w, t, false);
}

/* Hash one more block of the digests. */
INLINE void sha1_more(const struct sha1_words *w, words *digest, bool constant)
{
    words x[SHA1_LOOP_STREAMS][SHA1_STATE];

    for (int s = 0; s < SHA1_LOOP_STREAMS; s++)
        for (int i = 0; i < SHA1_STATE; i++)
            x[s][i] = digest[i * GROUP + s];
    if (constant)
        sha1_loops(x, w, 0, true);
    else
        sha1_vary(x, w, 0);
    for (int s = 0; s < SHA1_LOOP_STREAMS; s++)
        for (int i = 0; i < SHA1_STATE; i++)
            digest[i * GROUP + s] += x[s][i];
}

OUTLINE void sha1_constant(const void *sum, unsigned count, words *digest)
{
    struct sha1_words w = {.sum = sum};

    for (unsigned i = 0; i < count; i += SHA1_LOOP_STREAMS)
        sha1_more(&w, digest + i, true);
}

OUTLINE void sha1_second(const struct kernel_plan *plan, const struct unit *units, unsigned count,
                         words *digest)
{
    struct sha1_words w;

    for (unsigned i = 0; i < count; i += SHA1_LOOP_STREAMS) {
        for (int s = 0; s < SHA1_LOOP_STREAMS; s++) {
            w.lanes[s] = units[i + s].lanes + plan->table_size;
            w.message[s] = (const uint32_t *)plan->second;
        }
        sha1_more(&w, digest + i, false);
    }
}

OUTLINE void sha1_first_any(const struct kernel_plan *plan, const struct outers *outers,
                            const struct unit *units, unsigned count, words *digest)
{
    const words zero = {0};
    words x[SHA1_LOOP_STREAMS][SHA1_STATE];
    struct sha1_words w;

    for (unsigned j = 0; j < count; j += SHA1_LOOP_STREAMS) {
        for (unsigned s = 0; s < SHA1_LOOP_STREAMS; s++) {
            w.lanes[s] = units[j + s].lanes;
            w.message[s] = (const uint32_t *)outers->message + units[j + s].outer;
            for (int i = 0; i < SHA1_STATE; i++)
                x[s][i] = zero + ((const uint32_t *)&outers->state[i])[units[j + s].outer];
        }
        sha1_vary(x, &w, plan->first_word);
        for (unsigned s = 0; s < SHA1_LOOP_STREAMS; s++)
            for (int i = 0; i < SHA1_STATE; i++)
                digest[i * GROUP + j + s] =
                    x[s][i] + ((const uint32_t *)&outers->chain[i])[units[j + s].outer];
    }
}

/* ---- Unrolled, where message word 0 or 1 alone varies ------------------------------------------ */

/* Where W[t] depends on message word 0; on word 1, one round later. */
INLINE bool sha1_varies(int word, int t)
{
    const uint64_t lower = 0xffdfdd7dd3490001;
    const uint32_t upper = 0xdfdd;
    int n = t - word;

    return n >= 0 && (n < 64 ? lower >> n : upper >> (n - 64)) & 1;
}

/* What the five rounds need in which the varying word reaches the whole state. */
static void sha1_prepare(const struct kernel_plan *plan, struct outers *outers)
{
    const words *sum = outers->sum + plan->first_word, *x = outers->state;
    words b = rotate(x[1], 30), a = rotate(x[0], 30);

    outers->known[0] = x[4] + blend(x[1], x[2], x[3]) + rotate(x[0], 5) + SHA1_CONSTANTS[0];
    outers->known[1] = x[3] + blend(x[0], b, x[2]) + sum[1];
    outers->known[2] = x[2] + sum[2];
    outers->known[3] = b + sum[3];
    outers->known[4] = a + sum[4];
    outers->known[5] = b;
    outers->known[6] = a;
}

/* Hash STREAMS vectors. `word` is a literal. The pointers are to what differs between vectors; all else that
 * is in memory is then a register and a constant away, the cheapest operand. */
INLINE void sha1_unrolled(const struct outers *outers, const struct unit *units, int first,
                          words *digest)
{
    const words zero = {0};
    const words *lanes[STREAMS];
    const uint32_t *outer[STREAMS];
    words a[STREAMS], b[STREAMS], c[STREAMS], d[STREAMS], e[STREAMS];

/* An item of one of the vectors in `outers`, in the lane of the stream s. */
#define OUTER(s, item) outer[s][(offsetof(struct outers, item)) / sizeof(uint32_t)]

    UNROLL
    for (int s = 0; s < STREAMS; s++) {
        lanes[s] = units[s].lanes;
        outer[s] = (const uint32_t *)outers + units[s].outer;
        __asm__("" : "+r"(outer[s]));  /* one register, not the sum of two */
        /* The varying word comes in. In this round it is all that is not known; then comes `a`; then f. */
        b[s] = (lanes[s][first] ^ OUTER(s, message[first])) + OUTER(s, known[0]);
        a[s] = rotate(b[s], 5) + OUTER(s, known[1]);
        c[s] = zero + OUTER(s, known[6]);
        d[s] = zero + OUTER(s, known[5]);
        e[s] = zero + OUTER(s, known[2]);
    }
    UNROLL
    for (int t = first + 2; t < SHA1_ROUNDS; t++) {
        UNROLL
        for (int s = 0; s < STREAMS; s++) {
            words next = e[s];
            if (t >= first + 5) {
                if (sha1_varies(first, t))
                    next += (lanes[s][t] ^ OUTER(s, message[t])) + SHA1_CONSTANTS[t / 20];
                else
                    next += OUTER(s, sum[t]);
            }
            next += sha1_function(t / 20, b[s], c[s], d[s]);
            next += rotate(a[s], 5);
            e[s] = t == first + 2   ? zero + OUTER(s, known[3])
                   : t == first + 3 ? zero + OUTER(s, known[4])
                                    : d[s];
            d[s] = c[s];
            c[s] = rotate(b[s], 30);
            b[s] = a[s];
            a[s] = next;
        }
    }
    UNROLL
    for (int s = 0; s < STREAMS; s++) {
        digest[s + GROUP * 0] = a[s] + OUTER(s, chain[0]);
        digest[s + GROUP * 1] = b[s] + OUTER(s, chain[1]);
        digest[s + GROUP * 2] = c[s] + OUTER(s, chain[2]);
        digest[s + GROUP * 3] = d[s] + OUTER(s, chain[3]);
        digest[s + GROUP * 4] = e[s] + OUTER(s, chain[4]);
    }
#undef OUTER
}

OUTLINE void sha1_first_0(const struct outers *outers, const struct unit *units, unsigned count,
                          words *digest)
{
    for (unsigned i = 0; i < count; i += STREAMS)
        sha1_unrolled(outers, units + i, 0, digest + i);
}

OUTLINE void sha1_first_1(const struct outers *outers, const struct unit *units, unsigned count,
                          words *digest)
{
    for (unsigned i = 0; i < count; i += STREAMS)
        sha1_unrolled(outers, units + i, 1, digest + i);
}

static void sha1_first(const struct kernel_plan *plan, const struct outers *outers,
                       const struct unit *units, unsigned count, words *digest)
{
    if (plan->last_word != plan->first_word || plan->first_word > 1)
        sha1_first_any(plan, outers, units, count, digest);
    else if (plan->first_word)
        sha1_first_1(outers, units, count, digest);
    else
        sha1_first_0(outers, units, count, digest);
}

static const struct hash sha1 = {
    .word_bytes = 4,
    .state = SHA1_STATE,
    .rounds = SHA1_ROUNDS,
    .table = SHA1_ROUNDS,
    .initial = sha1_initial,
    .expand = sha1_expand,
    .add_constants = sha1_add_constants,
    .run = sha1_run,
    .prepare = sha1_prepare,
    .first = sha1_first,
    .second = sha1_second,
    .constant = sha1_constant,
};

#endif
