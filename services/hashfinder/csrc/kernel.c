/* The kernel in portable vector types (GCC, Clang), compiled once for each instruction set with
 *
 *   VECTOR_BYTES  the size of a vector register: 16, 32 or 64
 *   STREAMS       how many vectors are hashed at once: 1, 2 or 4
 *   KERNEL_SCAN   the name of the function that this file defines
 *
 * The unit of work is a *block*: the 256 candidates that differ in their last byte alone. SHA-1 works
 * on *vectors* of words, a candidate in each lane. The score works on *groups* of 32 vectors, whose
 * digests are turned into 160 vectors of single bits: bit v of lane i is candidate i of the vector v.
 *
 * docs/kernel.md explains the method. */

#if defined __GNUC__ && !defined __clang__
/* GCC would reorder the additions of a round so that its result comes late. */
#pragma GCC optimize("no-tree-reassoc")
#endif

#include "kernel.h"

#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the order of the candidates in a vector needs a little-endian CPU"
#endif

#define INLINE static inline __attribute__((always_inline))

/* Before a loop whose counter has to be a constant in each pass. */
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 80")
#endif

/* The bits of the last byte that tell lanes apart; the others tell vectors apart. Of all choices these
 * make the parts of W separable in the most rounds, see below. Bit 7 is a lane's only where a group is
 * not less than a block. */
#if VECTOR_BYTES == 64
#define LANE_BITS 0xaau
#define SEPARABLE 0x8e8cu, 0xea8e8c7cd3490001
#elif VECTOR_BYTES == 32
#define LANE_BITS 0x52u
#define SEPARABLE 0x8648u, 0xa286496c93490001
#else
#define LANE_BITS 0x22u
#define SEPARABLE 0x86c8u, 0xae86c86c93490001
#endif

enum {
    LANES = VECTOR_BYTES / 4,
    BLOCK = 256,
    VECTORS = BLOCK / LANES,                /* in a block */
    ROWS = VECTORS / LANES,                 /* vectors that hold a word for each vector of a block */
    GROUP = 32 * LANES,
    GROUPS = BLOCK / 32,                    /* in LANES blocks */
    ROUNDS = 80,
    SYMBOLS = KERNEL_TEXT_LENGTH,
};

typedef uint32_t words __attribute__((vector_size(VECTOR_BYTES)));
typedef uint64_t longs __attribute__((vector_size(VECTOR_BYTES)));

INLINE words rotate(words x, int n) { return x << n | x >> (32 - n); }

#ifdef __AVX512F__
/* One instruction for any function of three bits, given by its table: GCC does not see it in all. */
#define TERNARY(table, x, y, z)                                                                    \
    (words) _mm512_ternarylogic_epi32((__m512i)(x), (__m512i)(y), (__m512i)(z), table)
#endif

/* The bits of x where mask has ones, those of y elsewhere. */
INLINE words blend(words mask, words x, words y)
{
#ifdef __AVX512F__
    return TERNARY(0xd8, y, x, mask);
#else
    return y ^ (mask & (x ^ y));
#endif
}

/* The bits that at least two of the three have. */
INLINE words majority(words x, words y, words z)
{
#ifdef __AVX512F__
    return TERNARY(0xe8, x, y, z);
#else
    return blend(x ^ y, z, y);
#endif
}

/* ---- The message schedule --------------------------------------------------------------------
 *
 * SHA-1 expands a message of 16 words to 80 by shifts and exclusive-or alone. Therefore the expansion
 * of a message is the exclusive-or of the expansions of its parts: of the last byte's bits that tell
 * lanes apart, of those that tell vectors apart, and of all the rest, which a block has in common. */

/* The last byte is in message word 0 or 1. What follows holds for word 0; for word 1, all is the same
 * one round later. The number of a bit is t. */

/* Whether the bit t - word is set in a number of 80 bits: the upper 16, the lower 64. */
INLINE bool has_round(int word, int t, uint64_t upper, uint64_t lower)
{
    int n = t - word;
    return n >= 0 && (n < 64 ? lower >> n : upper >> (n - 64)) & 1;
}

/* Where W[t] depends on the last byte. */
INLINE bool is_varying(int word, int t) { return has_round(word, t, 0xdfdd, 0xffdfdd7dd3490001); }

/* Where, moreover, the lanes' part and the vectors' part of W[t] have no bit in common. */
INLINE bool is_separable(int word, int t) { return has_round(word, t, SEPARABLE); }

/* Put the lowest bits of `number`, in their order, where `mask` has ones. */
static unsigned deposit(unsigned number, unsigned mask)
{
    unsigned deposited = 0;

    for (; mask; mask &= mask - 1, number >>= 1)
        if (number & 1)
            deposited |= mask & -mask;
    return deposited;
}

static const uint32_t ROUND_CONSTANTS[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};

/* What all blocks of secrets of one length have in common. */
struct layout {
    unsigned length;             /* of the secrets in bytes, 0 to 8 */
    int word;                    /* the message word that the last byte is in */
    words lane[ROUNDS];          /* the lanes' part of W */
    words vector[ROUNDS][ROWS];  /* the vectors' part, for each vector of a block */
    uint32_t mask[ROUNDS];       /* the bits that differ between lanes */
};

/* LANES consecutive blocks: element i is the block i's, whose last byte is 0. */
struct batch {
    words sum[ROUNDS];           /* W[t] plus the round's constant */
    words in_lane[ROUNDS];       /* where W[t] varies: the bits that go with the lanes' part */
    words in_vector[ROUNDS];     /* and the rest, which goes with the vectors' */
};

/* One block. */
struct block {
    words lane[ROUNDS];          /* where W varies: the lanes' part */
    words vector[ROUNDS][ROWS];  /* the rest for each vector, plus the round's constant if separable */
    uint32_t known[6];           /* what the rounds in which the last byte comes in need, see hash() */
    const uint32_t *sum;         /* at t * LANES: where W[t] does not vary, plus the round's constant */
};

static void expand(words w[ROUNDS])
{
    for (int t = 16; t < ROUNDS; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
}

static void make_layout(struct layout *layout, unsigned length)
{
    words parts[ROUNDS];
    /* The empty string has no last byte: all of its "256 candidates" are the same. */
    uint32_t unit = length ? (uint32_t)1 << (24 - (length - 1) % 4 * 8) : 0;

    layout->length = length;
    layout->word = length > 4;
    memset(parts, 0, sizeof parts);
    for (unsigned lane = 0; lane < LANES; lane++)
        parts[layout->word][lane] = unit * deposit(lane, LANE_BITS);
    expand(parts);
    memcpy(layout->lane, parts, sizeof parts);
    for (unsigned row = 0; row < ROWS; row++) {
        for (unsigned i = 0; i < LANES; i++)
            parts[layout->word][i] = unit * deposit(row * LANES + i, BLOCK - 1 - LANE_BITS);
        expand(parts);
        for (int t = 0; t < ROUNDS; t++)
            layout->vector[t][row] = parts[t];
    }
    for (int t = 0; t < ROUNDS; t++) {
        layout->mask[t] = 0;
        for (int lane = 0; lane < LANES; lane++)
            layout->mask[t] |= layout->lane[t][lane];
    }
}

/* Expand the messages of the blocks from the secret whose bytes, as one number, are `value`. */
static void make_batch(struct batch *batch, const struct layout *layout, uint64_t value)
{
    unsigned bits = 8 * layout->length;
    words w[ROUNDS];

    memset(w, 0, 16 * sizeof *w);
    for (unsigned i = 0; i < LANES; i++, value += BLOCK) {
        /* The secret, a one bit, zeros, and the length of the secret in bits. */
        uint64_t head = bits ? value << (64 - bits) : 0;
        head |= bits < 64 ? (uint64_t)1 << (63 - bits) : 0;
        w[0][i] = (uint32_t)(head >> 32);
        w[1][i] = (uint32_t)head;
        w[2][i] = bits < 64 ? 0 : 0x80000000;
        w[15][i] = bits;
    }
    expand(w);
    for (int t = 0; t < ROUNDS; t++) {
        words mask = (words){0} + (is_separable(layout->word, t) ? layout->mask[t] : 0);
        batch->sum[t] = w[t] + ROUND_CONSTANTS[t / 20];
        batch->in_lane[t] = w[t] & mask;
        batch->in_vector[t] = w[t] & ~mask;
    }
}

/* ---- SHA-1 ----------------------------------------------------------------------------------- */

static const uint32_t INITIAL[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};

INLINE uint32_t rotate_word(uint32_t x, int n) { return x << n | x >> (32 - n); }
INLINE uint32_t choose_word(uint32_t b, uint32_t c, uint32_t d) { return d ^ (b & (c ^ d)); }

/* Prepare the batch's block i. `word`, a literal, is the message word that the last byte is in. */
INLINE void make_block(struct block *block, const struct layout *layout, const struct batch *batch,
                       unsigned i, int word)
{
    uint32_t a = INITIAL[0], b = INITIAL[1], c = INITIAL[2], d = INITIAL[3], e = INITIAL[4];

    block->sum = (const uint32_t *)batch->sum + i;
    for (int t = 0; t < word; t++) {
        uint32_t next = e + batch->sum[t][i] + choose_word(b, c, d) + rotate_word(a, 5);
        e = d, d = c, c = rotate_word(b, 30), b = a, a = next;
    }
    e += choose_word(b, c, d) + rotate_word(a, 5);
    b = rotate_word(b, 30);
    block->known[0] = d + choose_word(a, b, c) + batch->sum[word + 1][i];
    a = rotate_word(a, 30);
    block->known[1] = c + batch->sum[word + 2][i];
    block->known[2] = b + batch->sum[word + 3][i];
    block->known[3] = a + batch->sum[word + 4][i];
    block->known[4] = a;
    block->known[5] = b;
    UNROLL
    for (int t = 0; t < ROUNDS; t++) {
        if (!is_varying(word, t))
            continue;
        bool separable = is_separable(word, t);
        uint32_t constant = t == word ? ROUND_CONSTANTS[0] + e : ROUND_CONSTANTS[t / 20];
        if (separable)
            block->lane[t] = layout->lane[t] ^ batch->in_lane[t][i];
        for (int row = 0; row < ROWS; row++)
            block->vector[t][row] =
                (layout->vector[t][row] ^ batch->in_vector[t][i]) + (separable ? constant : 0);
    }
}

INLINE words choose(words b, words c, words d) { return blend(b, c, d); }
INLINE words parity(words b, words c, words d) { return b ^ c ^ d; }

/* W[t] plus the round's constant, for a vector of the block; see hash(). */
INLINE words addend(const struct block *block, const uint32_t *vector, int word, int t)
{
    const words zero = {0};

    if (!is_varying(word, t))
        return zero + block->sum[t * LANES];
    if (is_separable(word, t))
        return block->lane[t] + vector[t * VECTORS];
    return (block->lane[t] ^ vector[t * VECTORS]) + ROUND_CONSTANTS[t / 20];
}

/* Hash the candidates of STREAMS vectors of the block. Their parts of W begin at `vector`, which is
 * &block->vector[0][0][v] for the first of them, the number v. Their digests go to `digest`, next to each
 * other; the words of a digest are 32 vectors apart. */
INLINE void hash(const struct block *block, const uint32_t *vector, int word, words *digest)
{
    const words zero = {0};
    const uint32_t *known = block->known;
    words a[STREAMS], b[STREAMS], c[STREAMS], d[STREAMS], e[STREAMS];

    UNROLL
    for (int s = 0; s < STREAMS; s++) {
        /* The last byte comes in. In this round it is all that is not known; then comes `a`; then f. */
        b[s] = addend(block, vector + s, word, word);
        a[s] = rotate(b[s], 5) + known[0];
        c[s] = zero + known[4];
        d[s] = zero + known[5];
        e[s] = zero + known[1];
    }
    UNROLL
    for (int t = word + 2; t < ROUNDS; t++) {
        UNROLL
        for (int s = 0; s < STREAMS; s++) {
            words next = e[s];
            if (t >= word + 5)
                next += addend(block, vector + s, word, t);
            /* The sum of what is known early comes first: only `a` is fresh from the round before. */
            next += t < 20              ? choose(b[s], c[s], d[s])
                    : t >= 40 && t < 60 ? majority(b[s], c[s], d[s])
                                        : parity(b[s], c[s], d[s]);
            next += rotate(a[s], 5);
            e[s] = t == word + 2 ? zero + known[2] : t == word + 3 ? zero + known[3] : d[s];
            d[s] = c[s];
            c[s] = rotate(b[s], 30);
            b[s] = a[s];
            a[s] = next;
        }
    }
    UNROLL
    for (int s = 0; s < STREAMS; s++) {
        digest[s] = a[s] + INITIAL[0];
        digest[s + 32 * 1] = b[s] + INITIAL[1];
        digest[s + 32 * 2] = c[s] + INITIAL[2];
        digest[s + 32 * 3] = d[s] + INITIAL[3];
        digest[s + 32 * 4] = e[s] + INITIAL[4];
    }
}

/* Not inline: the compiler would copy the parts of W to the stack for the next vectors. With pointers
 * as arguments, each operand in memory has the cheapest form, a register and a constant. */
static __attribute__((noinline)) void hash_0(const struct block *block, const uint32_t *vector,
                                             words *digest)
{
    hash(block, vector, 0, digest);
}

static __attribute__((noinline)) void hash_1(const struct block *block, const uint32_t *vector,
                                             words *digest)
{
    hash(block, vector, 1, digest);
}

static __attribute__((noinline)) void make_block_0(struct block *block, const struct layout *layout,
                                                   const struct batch *batch, unsigned i)
{
    make_block(block, layout, batch, i, 0);
}

static __attribute__((noinline)) void make_block_1(struct block *block, const struct layout *layout,
                                                   const struct batch *batch, unsigned i)
{
    make_block(block, layout, batch, i, 1);
}

/* ---- The score -------------------------------------------------------------------------------
 *
 * The text is never made. The digests of a group are turned into 160 *planes*: a plane has one bit of
 * the digest, of all candidates of the group. What follows is logic on planes. */

/* Transpose 32 rows of bits, in each lane by itself: bit v of row 31 - b becomes bit b of row v. */
#if VECTOR_BYTES == 64

/* The rows are rotated, each by its number, then the columns, and then the rows again: with an
 * instruction for a rotation and one for a choice, these are the fewest operations. A column is rotated
 * by choosing, in five steps, between a row and the one 1, 2, 4, 8, 16 before it. */
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
        for (int start = 0; start < step; start++) {  /* ring by ring, so that one row waits at a time */
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
    if (bits >= 8) {  /* whole bytes can be chosen in one operation */
        words shifted = *x >> bits;
        *x = (words)_mm256_blendv_epi8((__m256i)(*y << bits), (__m256i)*x, (__m256i)lower);
        *y = (words)_mm256_blendv_epi8((__m256i)*y, (__m256i)shifted, (__m256i)lower);
        return;
    }
#endif
    words differing = (*x >> bits ^ *y) & lower;
    *y ^= differing;
    *x ^= differing << bits;
}

/* Exchange bits between each row and the one `bits / unit` after it, for `bits` from 4 * unit down or
 * from 2 * unit, as the number of rows allows. */
INLINE void exchange_rows(words *rows, int count, int unit)
{
    UNROLL
    for (int step = count / 2; step; step /= 2)
        UNROLL
        for (int i = 0; i < count; i++)
            if (!(i & step))
                exchange(&rows[i], &rows[i + step], step * unit);
}

/* Exchange halves, quarters, and so on of the square across its diagonal. Four rows at a time, then
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

/* The classes of characters: 0 to 25 for a letter of either case, then the digits, '+', '/' and '='. */
static const char CLASSES[] = "abcdefghijklmnopqrstuvwxyz0123456789+/=";

enum {
    PLANES = 162,        /* of 27 sextets; the last two bits are always zero */
    EQUALS = 38,         /* the class of '=' */
    NO_CLASS = 39,       /* what no character has */
    HIGHS = 5,           /* the values that the upper three bits of a class have */
    DECODED = HIGHS + 8, /* planes for a place in the text: those values, then those of the lower bits */
};

/* The name, and the texts of a group. */
struct matcher {
    int length;
    int width;                    /* the length, filled up to sevens with what no text has */
    struct {
        uint32_t high, low;       /* where its two planes are among those of a place, in bytes */
    } name[SYMBOLS];
    words text[SYMBOLS + 6][DECODED];  /* beyond the texts' end there is nothing */
};

static void make_matcher(struct matcher *matcher, const struct kernel_query *query)
{
    const words zero = {0};

    matcher->length = query->length;
    matcher->width = (query->length + 6) / 7 * 7;
    for (int i = 0; i < matcher->width; i++) {
        uint8_t character = i < matcher->length ? query->pattern[i] : 0;
        const char *found = character ? strchr(CLASSES, character) : NULL;
        unsigned class = found ? (unsigned)(found - CLASSES) : NO_CLASS;
        matcher->name[i].high = class / 8 * sizeof(words);
        matcher->name[i].low = (HIGHS + class % 8) * sizeof(words);
    }
    memset(&matcher->text[SYMBOLS - 1], 0, 7 * sizeof *matcher->text);
    /* The last character of a text is always '='. */
    matcher->text[SYMBOLS - 1][EQUALS / 8] = ~zero;
    matcher->text[SYMBOLS - 1][HIGHS + EQUALS % 8] = ~zero;
}

/* Turn a sextet, the most significant bit first, into the class of its character. Base64 has the
 * capitals in 0 to 25 and the small letters in 26 to 51: subtract 26, 11010 in binary, above 25. */
INLINE void fold(const words sextet[6], words class[6])
{
    words x0 = sextet[0], x1 = sextet[1], x2 = sextet[2], x3 = sextet[3], x4 = sextet[4];
    words above = x0 | (x1 & x2 & (x3 | x4));
    words borrow_2 = above & ~(x3 | x4), borrow_1 = above & (~x2 | borrow_2);

    class[5] = sextet[5];
    class[4] = x4 ^ above;
    class[3] = x3 ^ (above & ~x4);
    class[2] = x2 ^ above ^ borrow_2;
    class[1] = x1 ^ above ^ borrow_1;
    class[0] = x0 ^ (above & (~x1 | borrow_1));
}

/* Find where the upper three bits of the class are 0 to 4, and then, where the lower three are 0 to 7. */
INLINE void decode(const words class[6], words decoded[DECODED])
{
    words u = class[1], v = class[2], x = class[3], y = class[4], z = class[5];
    words low[4] = {~(x | y), ~x & y, x & ~y, x & y};

    decoded[0] = ~(class[0] | u | v);
    decoded[1] = ~u & v;
    decoded[2] = u & ~v;
    decoded[3] = u & v;
    decoded[4] = class[0];  /* no class is above 39: then u and v are 0 */
    for (int i = 0; i < 4; i++) {
        decoded[HIGHS + 2 * i] = low[i] & ~z;
        decoded[HIGHS + 2 * i + 1] = low[i] & z;
    }
}

/* Decode the texts of a group. */
static __attribute__((noinline)) void read_texts(struct matcher *matcher, const words planes[PLANES])
{
    for (int place = 0; place < SYMBOLS - 1; place++) {
        words class[6];
        fold(&planes[6 * place], class);
        decode(class, matcher->text[place]);
    }
}

/* Add three bits: return the sum's lower bit, set the upper one. */
INLINE words add(words x, words y, words z, words *carry)
{
    *carry = majority(x, y, z);
    return x ^ y ^ z;
}

/* Count where characters `from` to `from + 6` of the name match, with the name at `offset`; the lowest
 * bit of the sum first. */
INLINE void count_seven(const struct matcher *matcher, int offset, int from, words sum[3])
{
    words x[7], carry_0, carry_1, carry_2;

    UNROLL
    for (int i = 0; i < 7; i++) {
        const char *place = (const char *)matcher->text[offset + from + i];
        x[i] = *(const words *)(place + matcher->name[from + i].high)
               & *(const words *)(place + matcher->name[from + i].low);
    }
    words s = add(x[0], x[1], x[2], &carry_0);
    s = add(s, x[3], x[4], &carry_1);
    sum[0] = add(s, x[5], x[6], &carry_2);
    sum[1] = add(carry_0, carry_1, carry_2, &sum[2]);
}

/* Return where the name stands within `distance`. `width` is a literal. */
INLINE words count(const struct matcher *matcher, unsigned distance, int width)
{
    const words zero = {0};
    unsigned need = matcher->length - distance;
    words hits = zero, skip[5];

    for (int k = 0; k < 5; k++)
        skip[k] = zero - !(need >> k & 1);
    for (int offset = 0; offset <= SYMBOLS - matcher->length; offset++) {
        words sum[5] = {zero, zero, zero, zero, zero}, enough = ~zero;
        count_seven(matcher, offset, 0, sum);
        for (int i = 7; i < width; i += 7) {
            words more[3], carry;
            count_seven(matcher, offset, i, more);
            sum[0] = add(sum[0], more[0], zero, &carry);
            sum[1] = add(sum[1], more[1], carry, &carry);
            sum[2] = add(sum[2], more[2], carry, &carry);
            sum[3] = add(sum[3], carry, zero, &carry);
            sum[4] |= carry;
        }
        /* Compare with `need` from the lowest bit up: a bit that is needed must be there as well,
         * one that is not is enough by itself. */
        for (int k = 0; k < (width > 7 ? 5 : 3); k++)
            enough = majority(sum[k], enough, skip[k]);
        hits |= enough;
    }
    return hits;
}

static __attribute__((noinline)) words find_hits(const struct matcher *matcher, unsigned distance)
{
    switch (matcher->width) {
    case 7: return count(matcher, distance, 7);
    case 14: return count(matcher, distance, 14);
    case 21: return count(matcher, distance, 21);
    default: return count(matcher, distance, 28);
    }
}

/* ---- The scan -------------------------------------------------------------------------------- */

/* A bit for each candidate of a group, in order of position. */
struct set {
    uint64_t bits[GROUP / 64];
};

struct scan {
    struct matcher matcher;
    unsigned ideal_distance, result_distance;
    const uint8_t *halt;
    uint16_t of_lane[LANES], of_vector[32];  /* a candidate's number in its group is a sum of the two */
    uint64_t *results;
    size_t capacity;
    bool ended;
    struct kernel_outcome outcome;
};

/* The largest distance of a candidate that matters: a result, or better than the best. */
static unsigned limit(const struct scan *scan)
{
    unsigned limit = scan->result_distance;

    if (scan->outcome.best_distance > limit + 1)
        limit = scan->outcome.best_distance - 1;
    return limit < (unsigned)scan->matcher.length ? limit : (unsigned)scan->matcher.length;
}

INLINE bool any(words x)
{
    longs parts = (longs)x;
    uint64_t all = 0;

    for (int i = 0; i < VECTOR_BYTES / 8; i++)
        all |= parts[i];
    return all != 0;
}

/* Find those of the `allowed` candidates that are within `distance`; say whether there are any. */
static bool within(const struct scan *scan, unsigned distance, const struct set *allowed,
                   struct set *set)
{
    words hits = find_hits(&scan->matcher, distance);
    uint64_t all = 0;

    memset(set, 0, sizeof *set);
    for (unsigned lane = 0; lane < LANES; lane++)
        for (uint32_t bits = hits[lane]; bits; bits &= bits - 1) {
            unsigned index = scan->of_lane[lane] + scan->of_vector[__builtin_ctz(bits)];
            set->bits[index / 64] |= (uint64_t)1 << index % 64;
        }
    for (int i = 0; i < GROUP / 64; i++)
        all |= set->bits[i] &= allowed->bits[i];
    return all;
}

static unsigned first_of(const struct set *set)
{
    unsigned i = 0;

    while (!set->bits[i])
        i++;
    return 64 * i + (unsigned)__builtin_ctzll(set->bits[i]);
}

/* Return the candidates `first` to `last` of a group. */
static struct set range(unsigned first, unsigned last)
{
    const uint64_t all = ~(uint64_t)0;
    struct set set;

    for (unsigned i = 0; i < GROUP / 64; i++) {
        uint64_t from = first <= 64 * i ? all : first < 64 * i + 64 ? all << first % 64 : 0;
        uint64_t to = last >= 64 * i + 63 ? all : last >= 64 * i ? all >> (63 - last % 64) : 0;
        set.bits[i] = from & to;
    }
    return set;
}

/* Write the results of a group; return the index of the last one if there is no room for more, else
 * `high`. */
static unsigned write_results(struct scan *scan, uint64_t position, const struct set *set,
                              unsigned high)
{
    for (unsigned i = 0; i < GROUP / 64; i++)
        for (uint64_t bits = set->bits[i]; bits; bits &= bits - 1) {
            unsigned index = 64 * i + (unsigned)__builtin_ctzll(bits);
            scan->results[scan->outcome.count++] = position + index;
            if (scan->outcome.count == scan->capacity) {
                scan->ended = true;
                return index;
            }
        }
    return high;
}

/* Record what matters among the candidates `low` to `high` of a group whose first is at `position`. */
static __attribute__((noinline)) void record(struct scan *scan, uint64_t position, unsigned low,
                                             unsigned high)
{
    struct kernel_outcome *outcome = &scan->outcome;
    struct set allowed = range(low, high), set;
    unsigned last = high;

    if (within(scan, scan->ideal_distance, &allowed, &set)) {
        last = high = first_of(&set);
        allowed = range(low, high);
        scan->ended = outcome->found = true;
    }
    if (within(scan, scan->result_distance, &allowed, &set))
        last = write_results(scan, position, &set, high);
    if (last < high) {
        allowed = range(low, last);
        outcome->found = false;
    }
    if (scan->ended)
        outcome->searched = position + last;
    while (outcome->best_distance && within(scan, outcome->best_distance - 1, &allowed, &set)) {
        outcome->best_distance--;
        outcome->best_position = position + first_of(&set);
    }
}

/* Search the secrets of one length from `value` to `last`, which are their bytes as one number. The
 * first secret of this length is at the position `origin`. */
static void scan_length(struct scan *scan, unsigned length, uint64_t origin, uint64_t value,
                        uint64_t last)
{
    struct layout layout;
    struct block block;
    struct batch batch;
    words planes[PLANES];

    make_layout(&layout, length);
    memcpy(block.lane, layout.lane, sizeof block.lane);
    memset(&planes[160], 0, 2 * sizeof *planes);
    uint64_t first = value - value % BLOCK, high = last - first, low = value % BLOCK;
    for (unsigned group = 0;; group++, first += GROUP, high -= GROUP, low -= low < GROUP ? low : GROUP) {
        if (group % GROUPS == 0)
            make_batch(&batch, &layout, first);
        for (unsigned i = 0; i < 32; i += STREAMS) {
            unsigned vector = group % GROUPS * 32 + i;
            if (vector % VECTORS == 0)
                (layout.word ? make_block_1 : make_block_0)(&block, &layout, &batch,
                                                            vector / VECTORS);
            (layout.word ? hash_1 : hash_0)(
                &block, (const uint32_t *)block.vector + vector % VECTORS, &planes[i]);
        }
        for (int word = 0; word < 5; word++)
            transpose(&planes[32 * word]);
        read_texts(&scan->matcher, planes);
        if (any(find_hits(&scan->matcher, limit(scan))))
            record(scan, origin + first, low, high < GROUP ? high : GROUP - 1);
        if (!scan->ended && low < GROUP && high >= GROUP && scan->halt
            && __atomic_load_n(scan->halt, __ATOMIC_RELAXED)) {
            scan->outcome.searched = origin + first + GROUP - 1;
            scan->ended = true;
        }
        if (scan->ended || high < GROUP)
            return;
    }
}

struct kernel_outcome KERNEL_SCAN(const struct kernel_query *query, uint64_t first, uint64_t last,
                                  uint64_t *results, size_t capacity)
{
    struct scan scan = {
        .ideal_distance = query->ideal_distance,
        .result_distance = query->result_distance,
        .halt = query->halt,
        .results = results,
        .capacity = capacity,
        .outcome = {.searched = last, .best_distance = query->best_distance},
    };
    uint64_t origin = 0, size = 1;  /* of the secrets of one length: the first position, the number */

    make_matcher(&scan.matcher, query);
    for (unsigned lane = 0; lane < LANES; lane++)
        scan.of_lane[lane] = (uint16_t)deposit(lane, LANE_BITS);
    for (unsigned vector = 0; vector < 32; vector++)
        scan.of_vector[vector] = (uint16_t)deposit(vector, ~LANE_BITS);
    if (scan.outcome.best_distance > query->length + 1)
        scan.outcome.best_distance = query->length + 1;
    for (unsigned length = 0; !scan.ended; length++) {
        /* The keyspace ends among the secrets of 8 bytes, whose number does not fit 64 bits. */
        uint64_t end = length < 8 ? origin + (size - 1) : UINT64_MAX;
        if (first <= end) {
            uint64_t stop = last < end ? last : end;
            scan_length(&scan, length, origin, first - origin, stop - origin);
            if (last <= end)
                break;
            first = end + 1;
        }
        origin += size;
        size *= BLOCK;
    }
    return scan.outcome;
}
