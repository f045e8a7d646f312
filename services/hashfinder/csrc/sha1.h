/* SHA-1 on vectors: FIPS 180-4, a candidate in each lane. See docs/kernel.md. */

#ifndef HASHFINDER_SHA1_H
#define HASHFINDER_SHA1_H

#include "layout.h"

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

/* The function of a phase, 0 to 3: each has 20 rounds. */
INLINE words sha1_function(int phase, words b, words c, words d)
{
    return phase == 0 ? blend(b, c, d) : phase == 2 ? majority(b, c, d) : parity(b, c, d);
}

/* A round, with W + K added to e already. Only `a` is a result of the round before, so it is added last. */
INLINE void sha1_round(int phase, words a, words *b, words c, words d, words *e)
{
    *e += sha1_function(phase, *b, c, d);
    *e += rotate(a, 5);
    *b = rotate(*b, 30);
}

static void sha1_run(words x[STATE], const words sum[ROUNDS], unsigned from, unsigned to)
{
    for (unsigned t = from; t < to; t++) {
        words e = x[4] + sum[t], b = x[1];
        if (t < 20)
            sha1_round(0, x[0], &b, x[2], x[3], &e);
        else if (t >= 40 && t < 60)
            sha1_round(2, x[0], &b, x[2], x[3], &e);
        else
            sha1_round(1, x[0], &b, x[2], x[3], &e);
        x[4] = x[3], x[3] = x[2], x[2] = b, x[1] = x[0], x[0] = e;
    }
}

/* Vectors that are hashed at once: as many as there are registers for, since each round needs the one before. */
#define SHA1_STREAMS (VECTOR_BYTES == 64 ? 4 : VECTOR_BYTES == 32 ? 2 : 1)

/* What the rounds add. For each stream it is the constant and W[t]: `lanes[t] ^ message[t * LANES]`, the latter one
 * lane of the outer messages, and that alone where W[t] does not vary. In a block that all streams share: `sum[t]`. */
struct sha1_words {
    const words *lanes[SHA1_STREAMS];
    const uint32_t *message[SHA1_STREAMS];
    const bool *varies;
    const uint32_t *sum;
};

/* An item of `struct outers`, in the lane whose first message word `word` points to. One pointer for all items makes
 * each a register plus a constant, the cheapest operand. */
#define OUTER(word, item)                                                                          \
    (word)[((ptrdiff_t)offsetof(struct outers, item) - (ptrdiff_t)offsetof(struct outers, message)) \
           / (ptrdiff_t)sizeof(uint32_t)]

/* Where W comes from: it varies between lanes; it is the outer message's; it is one of the two, as `varies` says; it is
 * the same for all candidates. */
enum sha1_kind { SHA1_VARYING, SHA1_OUTER, SHA1_EITHER, SHA1_CONSTANT };

typedef words sha1_states[SHA1_STREAMS][SHA1_STATE];

/* Add W[t] + K, of a kind other than SHA1_EITHER, to one word of each state. Numbers other than t are literals. */
INLINE void sha1_add_kind(sha1_states x, int word, const struct sha1_words *w, int phase, size_t t, enum sha1_kind kind)
{
    UNROLL
    for (int s = 0; s < SHA1_STREAMS; s++)
        if (kind == SHA1_VARYING)
            x[s][word] += (w->lanes[s][t] ^ w->message[s][t * LANES]) + SHA1_CONSTANTS[phase];
        else
            x[s][word] += kind == SHA1_OUTER ? OUTER(w->message[s], sum[t]) : w->sum[t];
}

/* The same of any kind. */
INLINE void sha1_add(sha1_states x, int word, const struct sha1_words *w, int phase, size_t t, enum sha1_kind kind)
{
    if (kind != SHA1_EITHER)
        sha1_add_kind(x, word, w, phase, t, kind);
    else if (w->varies[t])
        sha1_add_kind(x, word, w, phase, t, SHA1_VARYING);
    else
        sha1_add_kind(x, word, w, phase, t, SHA1_OUTER);
}

/* Do round t for all streams; k is t modulo 5. After five rounds each word of the state is back in its place.
 * Numbers other than t are literals. */
INLINE void sha1_step(sha1_states x, const struct sha1_words *w, int phase, size_t t, int k,
                      enum sha1_kind kind)
{
    const int a = (5 - k) % 5, b = (6 - k) % 5, c = (7 - k) % 5, d = (8 - k) % 5, e = (9 - k) % 5;

    sha1_add(x, e, w, phase, t, kind);
    UNROLL
    for (int s = 0; s < SHA1_STREAMS; s++)
        sha1_round(phase, x[s][a], &x[s][b], x[s][c], x[s][d], &x[s][e]);
}

/* Do all rounds from t on, a multiple of 5. */
INLINE void sha1_loops(sha1_states x, const struct sha1_words *w, size_t t, enum sha1_kind kind)
{
    UNROLL
    for (int phase = 0; phase < 4; phase++)
        for (; t < 20 * (size_t)phase + 20; t += 5)
            UNROLL
            for (int k = 0; k < 5; k++)
                sha1_step(x, w, phase, t + (size_t)k, k, kind);
}

/* Begin two rounds, from that of the first varying word on, without the words themselves. sha1_start completes them. */
static void sha1_prepare(struct outers *outers)
{
    words *x = outers->state;
    words c = rotate(x[1], 30);
    words b = x[4] + blend(x[1], x[2], x[3]) + rotate(x[0], 5) + SHA1_CONSTANTS[0];
    words a = x[3] + blend(x[0], c, x[2]);

    x[4] = x[2], x[3] = c, x[2] = rotate(x[0], 30), x[1] = b, x[0] = a;
}

/* Complete the two rounds before t, and do rounds from t on up to a multiple of 5, which is returned. k, a literal, is
 * t modulo 5. */
INLINE size_t sha1_start(sha1_states x, const struct sha1_words *w, size_t t, int k)
{
    const words zero = {0};
    const int a = (5 - k) % 5, b = (6 - k) % 5;

    UNROLL
    for (int s = 0; s < SHA1_STREAMS; s++) {
        UNROLL
        for (int i = 0; i < SHA1_STATE; i++)  /* to where sha1_step expects it */
            x[s][(5 - k + i) % 5] = zero + OUTER(w->message[s], state[i]);
        x[s][b] += w->lanes[s][t - 2] ^ w->message[s][(t - 2) * LANES];
        x[s][a] += rotate(x[s][b], 5);
    }
    sha1_add(x, a, w, 0, t - 1, SHA1_EITHER);
    UNROLL
    for (; k % 5; k++, t++)
        sha1_step(x, w, 0, t, k, SHA1_EITHER);
    return t;
}

OUTLINE void sha1_first(const struct kernel_plan *plan, const struct outers *outers,
                        const struct unit *units, unsigned count, words *digest)
{
    /* Streams are far apart, so that those of two outer messages read the same lane vectors. */
    const size_t step = count / SHA1_STREAMS;
    sha1_states x;
    struct sha1_words w = {.varies = plan->table->varies};

    for (size_t j = 0; j < step; j++, units++, digest++) {
        size_t t = plan->first_word + 2;
        UNROLL
        for (int s = 0; s < SHA1_STREAMS; s++) {
            w.lanes[s] = units[s * step].lanes;
            w.message[s] = (const uint32_t *)outers->message + units[s * step].outer;
            __asm__("" : "+r"(w.message[s]));
        }
        switch (t % 5) {
#define CASE(k) case k: t = sha1_start(x, &w, t, k); break
        CASE(0); CASE(1); CASE(2); CASE(3); CASE(4);
#undef CASE
        }
        sha1_loops(x, &w, t, SHA1_EITHER);
        UNROLL
        for (int s = 0; s < SHA1_STREAMS; s++)
            UNROLL
            for (int i = 0; i < SHA1_STATE; i++)
                digest[i * GROUP + s * step] = x[s][i] + OUTER(w.message[s], chain[i]);
    }
}

/* Hash one more block of the digests. */
INLINE void sha1_more(const struct sha1_words *w, words *digest, enum sha1_kind kind)
{
    sha1_states x;

    UNROLL
    for (int s = 0; s < SHA1_STREAMS; s++)
        UNROLL
        for (int i = 0; i < SHA1_STATE; i++)
            x[s][i] = digest[i * GROUP + s];
    sha1_loops(x, w, 0, kind);
    UNROLL
    for (int s = 0; s < SHA1_STREAMS; s++)
        for (int i = 0; i < SHA1_STATE; i++)
            digest[i * GROUP + s] += x[s][i];
}

OUTLINE void sha1_second(const struct kernel_plan *plan, const struct unit *units, unsigned count,
                         words *digest)
{
    struct sha1_words w;

    for (unsigned j = 0; j < count; j += SHA1_STREAMS) {
        for (unsigned s = 0; s < SHA1_STREAMS; s++) {
            w.lanes[s] = units[j + s].lanes + plan->table_size;
            w.message[s] = (const uint32_t *)plan->second;
        }
        sha1_more(&w, digest + j, SHA1_VARYING);
    }
}

OUTLINE void sha1_constant(const void *sum, unsigned count, words *digest)
{
    struct sha1_words w = {.sum = sum};

    for (unsigned j = 0; j < count; j += SHA1_STREAMS)
        sha1_more(&w, digest + j, SHA1_CONSTANT);
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
