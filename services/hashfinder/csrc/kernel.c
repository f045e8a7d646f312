/* The kernel in portable vector types (GCC, Clang), compiled once for each instruction set with
 *
 *   VECTOR_BYTES  the size of a vector register: 16, 32 or 64
 *   KERNEL_SCAN   the name of the function that this file defines
 *
 * The unit of work is a *block*: the 256 candidates that differ in their last byte alone. A block is
 * searched in *groups* of VECTOR_BYTES candidates: four vectors of 32-bit words for SHA-1, and one
 * vector of bytes for the score. Candidate j of a group is lane j / 4 of the vector j % 4, so that its
 * bytes lie in order of position once the four are interleaved.
 *
 * docs/kernel.md explains the method. */

#if defined __GNUC__ && !defined __clang__
/* GCC would reorder the additions of a round so that its result comes late. */
#pragma GCC optimize("no-tree-reassoc")
#endif

#include "kernel.h"

#include <stdbool.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the order of the candidates in a vector needs a little-endian CPU"
#endif

#define INLINE static inline __attribute__((always_inline))

enum {
    LANES = VECTOR_BYTES / 4,
    BLOCK = 256,
    VECTORS = BLOCK / LANES,      /* in a block */
    ROWS = VECTORS / LANES,       /* vectors that hold one word for each vector of a block */
    ROUNDS = 80,
    SYMBOLS = KERNEL_TEXT_LENGTH,
};

typedef uint32_t words __attribute__((vector_size(VECTOR_BYTES)));
typedef uint8_t bytes __attribute__((vector_size(VECTOR_BYTES)));
typedef int8_t signed_bytes __attribute__((vector_size(VECTOR_BYTES)));
typedef uint64_t longs __attribute__((vector_size(VECTOR_BYTES)));

INLINE words rotate(words x, int n) { return x << n | x >> (32 - n); }

/* The bits of x where mask has ones, those of y elsewhere. */
INLINE words select(words mask, words x, words y) { return y ^ (mask & (x ^ y)); }

/* ---- The message schedule --------------------------------------------------------------------
 *
 * SHA-1 expands a message of 16 words to 80 by shifts and exclusive-or alone. Therefore the expansion
 * of a message is the exclusive-or of the expansions of its parts: of the last byte's bits that tell
 * lanes apart, of those that tell vectors apart, and of all the rest, which a block has in common. */

/* The last byte is in message word 0 or 1. What follows holds for word 0; for word 1, all is the same
 * one round later. The number of a bit is t. */

/* Where W[t] depends on the last byte. */
INLINE bool is_varying(int word, int t)
{
    int n = t - word;
    return n >= 0 && (n < 64 ? 0xffdfdd7dd3490001 >> n : 0xdfddu >> (n - 64)) & 1;
}

/* Where, moreover, the lanes' part and the vectors' part of W[t] have no bit in common. */
INLINE bool is_separable(int word, int t)
{
    int n = t - word;
    return n >= 0 && (n < 64 ? 0xa286486c93490001 >> n : 0x8648u >> (n - 64)) & 1;
}

static const uint32_t ROUND_CONSTANTS[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};

/* What all blocks of secrets of one length have in common. */
struct layout {
    unsigned length;             /* of the secrets in bytes, 0 to 8 */
    int word;                    /* the message word that the last byte is in */
    words lane[ROUNDS];          /* the lanes' part of W */
    words vector[ROUNDS][ROWS];  /* the vectors' part, for each vector of a block */
    int count;                   /* the number of rounds in which W varies */
    struct {
        int t;
        uint32_t mask, constant; /* 0 unless separable: the lanes' bits, and the round's constant */
    } varying[ROUNDS];
};

/* LANES consecutive blocks. */
struct batch {
    words common[ROUNDS];        /* element i of common[t]: W[t] of block i, whose last byte is 0 */
    words sum[ROUNDS];           /* the same plus the round's constant */
};

/* One block: where W varies, its parts. */
struct block {
    words lane[ROUNDS];          /* the lanes' part, with all bits of the mask */
    words vector[ROUNDS][ROWS];  /* the rest, plus varying.constant, for each vector */
    int word;                    /* the message word that the last byte is in */
    const struct batch *batch;   /* and where W does not vary: the element `index` of batch->sum */
    unsigned index;
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
        parts[layout->word][lane] = unit * (4 * lane);
    expand(parts);
    memcpy(layout->lane, parts, sizeof parts);
    for (unsigned row = 0; row < ROWS; row++) {
        for (unsigned i = 0; i < LANES; i++) {
            unsigned vector = row * LANES + i;
            parts[layout->word][i] = unit * (vector / 4 * VECTOR_BYTES + vector % 4);
        }
        expand(parts);
        for (int t = 0; t < ROUNDS; t++)
            layout->vector[t][row] = parts[t];
    }
    layout->count = 0;
    for (int t = 0; t < ROUNDS; t++) {
        if (!is_varying(layout->word, t))
            continue;
        uint32_t mask = 0, constant = 0;
        if (is_separable(layout->word, t)) {
            constant = ROUND_CONSTANTS[t / 20];
            for (int lane = 0; lane < LANES; lane++)
                mask |= layout->lane[t][lane];
        }
        layout->varying[layout->count].t = t;
        layout->varying[layout->count].mask = mask;
        layout->varying[layout->count++].constant = constant;
    }
}

/* Expand the messages of the blocks from the secret whose bytes, as one number, are `value`. */
static void make_batch(struct batch *batch, const struct layout *layout, uint64_t value)
{
    unsigned bits = 8 * layout->length;

    memset(batch->common, 0, 16 * sizeof *batch->common);
    for (unsigned i = 0; i < LANES; i++, value += BLOCK) {
        /* The secret, a one bit, zeros, and the length of the secret in bits. */
        uint64_t head = bits ? value << (64 - bits) : 0;
        head |= bits < 64 ? (uint64_t)1 << (63 - bits) : 0;
        batch->common[0][i] = (uint32_t)(head >> 32);
        batch->common[1][i] = (uint32_t)head;
        batch->common[2][i] = bits < 64 ? 0 : 0x80000000;
        batch->common[15][i] = bits;
    }
    expand(batch->common);
    for (int t = 0; t < ROUNDS; t++)
        batch->sum[t] = batch->common[t] + ROUND_CONSTANTS[t / 20];
}

static void make_block(struct block *block, const struct layout *layout, const struct batch *batch,
                       unsigned i)
{
    block->word = layout->word;
    block->batch = batch;
    block->index = i;
    for (int n = 0; n < layout->count; n++) {
        int t = layout->varying[n].t;
        uint32_t w = batch->common[t][i], masked = w & layout->varying[n].mask;
        block->lane[t] = layout->lane[t] ^ masked;
        for (int row = 0; row < ROWS; row++)
            block->vector[t][row] =
                (layout->vector[t][row] ^ (w ^ masked)) + layout->varying[n].constant;
    }
}

/* ---- SHA-1 ----------------------------------------------------------------------------------- */

INLINE words choose(words b, words c, words d) { return select(b, c, d); }
INLINE words parity(words b, words c, words d) { return b ^ c ^ d; }
INLINE words majority(words b, words c, words d) { return select(b ^ c, d, c); }

/* W[t] plus the round's constant, for the block's vector v. */
INLINE words addend(const struct block *block, unsigned v, int word, int t)
{
    const words zero = {0};
    uint32_t vector = block->vector[t][v / LANES][v % LANES];

    if (!is_varying(word, t))
        return zero + block->batch->sum[t][block->index];
    if (is_separable(word, t))
        return block->lane[t] + vector;
    return (block->lane[t] ^ vector) + ROUND_CONSTANTS[t / 20];
}

/* The sum of what is known early comes first: only `a` is fresh from the round before. */
#define ROUND(f, a, b, c, d, e, t)                                                                 \
    e += addend(block, v, word, t);                                                                \
    e += f(b, c, d);                                                                               \
    e += rotate(a, 5);                                                                             \
    b = rotate(b, 30)

#define ROUNDS_5(f, t)                                                                             \
    ROUND(f, a, b, c, d, e, t);                                                                    \
    ROUND(f, e, a, b, c, d, t + 1);                                                                \
    ROUND(f, d, e, a, b, c, t + 2);                                                                \
    ROUND(f, c, d, e, a, b, t + 3);                                                                \
    ROUND(f, b, c, d, e, a, t + 4)

#define ROUNDS_20(f, t) ROUNDS_5(f, t); ROUNDS_5(f, t + 5); ROUNDS_5(f, t + 10); ROUNDS_5(f, t + 15)

/* Hash the candidates of the block's vector v. `word` must be a literal. */
INLINE void hash(const struct block *block, unsigned v, int word, words digest[5])
{
    const words zero = {0};
    words a = zero + 0x67452301, b = zero + 0xefcdab89, c = zero + 0x98badcfe;
    words d = zero + 0x10325476, e = zero + 0xc3d2e1f0;

    ROUNDS_20(choose, 0);
    ROUNDS_20(parity, 20);
    ROUNDS_20(majority, 40);
    ROUNDS_20(parity, 60);
    digest[0] = a + 0x67452301;
    digest[1] = b + 0xefcdab89;
    digest[2] = c + 0x98badcfe;
    digest[3] = d + 0x10325476;
    digest[4] = e + 0xc3d2e1f0;
}

/* Not inline: the compiler would copy the parts of W to the stack for the next vectors. */
static __attribute__((noinline)) void hash_0(const struct block *block, unsigned v, words digest[5])
{
    hash(block, v, 0, digest);
}

static __attribute__((noinline)) void hash_1(const struct block *block, unsigned v, words digest[5])
{
    hash(block, v, 1, digest);
}

/* ---- The score -------------------------------------------------------------------------------
 *
 * The text is never made. For each of its characters there is a vector of bytes, one candidate a
 * byte, that tells the character's *class*: 0 to 25 for a letter of either case, 26 to 35 for a digit,
 * 36 for '+', 37 for '/', 38 for '='. */

/* Regroup the bytes of four vectors: planes[k] gets byte k, from the most significant, of all. */
INLINE void interleave(const words digests[4][5], int word, words planes[4])
{
    const words zero = {0}, even = zero + 0x00ff00ff, low = zero + 0x0000ffff;
    words x0 = digests[0][word], x1 = digests[1][word], x2 = digests[2][word], x3 = digests[3][word];
    words even_01 = select(even, x0, x1 << 8), odd_01 = select(even, x0 >> 8, x1);
    words even_23 = select(even, x2, x3 << 8), odd_23 = select(even, x2 >> 8, x3);

    planes[0] = select(low, odd_01 >> 16, odd_23);
    planes[1] = select(low, even_01 >> 16, even_23);
    planes[2] = select(low, odd_01, odd_23 << 16);
    planes[3] = select(low, even_01, even_23 << 16);
}

/* The bytes of x where the comparison holds, those of y elsewhere. With the comparison's own type,
 * GCC sees that mask registers can do it. */
INLINE bytes select_bytes(signed_bytes comparison, bytes x, bytes y)
{
    return (bytes)((signed_bytes)y ^ (comparison & ((signed_bytes)x ^ (signed_bytes)y)));
}

/* Base64 has the capitals in 0 to 25 and the small letters in 26 to 51, then digits, '+' and '/'. */
INLINE bytes fold(words sextets)
{
    bytes symbols = (bytes)(sextets & 0x3f3f3f3f);

    return select_bytes((signed_bytes)symbols > 25, symbols - 26, symbols);
}

INLINE void classify(const words digests[4][5], bytes classes[SYMBOLS])
{
    const words zero = {0}, low_4 = zero + 0x0f0f0f0f, low_2 = zero + 0x03030303;
    words planes[21];

    for (int word = 0; word < 5; word++)
        interleave(digests, word, &planes[4 * word]);
    planes[20] = zero;
    for (int i = 0; i < 7; i++) {
        words x = planes[3 * i], y = planes[3 * i + 1], z = planes[3 * i + 2];
        classes[4 * i] = fold(x >> 2);
        classes[4 * i + 1] = fold(select(low_4, y >> 4, x << 4));
        classes[4 * i + 2] = fold(select(low_2, z >> 6, y << 2));
        classes[4 * i + 3] = fold(z);
    }
    classes[SYMBOLS - 1] = (bytes)zero + 38;
}

/* The name as vectors, and what a hit is at this moment. */
struct matcher {
    bytes name[SYMBOLS];  /* the class of each character in all lanes; 255 matches none */
    int length;
    int offsets;          /* where in the text the name can stand: 0 to offsets - 1 */
    unsigned result_distance;
    unsigned limit;       /* the largest distance of a hit */
};

static uint8_t class_of(uint8_t character)
{
    static const char symbols[] = "abcdefghijklmnopqrstuvwxyz0123456789+/=";
    const char *found = character ? strchr(symbols, character) : NULL;

    return found ? (uint8_t)(found - symbols) : 255;
}

/* Tell the matcher the smallest distance known. */
static void lower_limit(struct matcher *matcher, unsigned best_distance)
{
    matcher->limit = matcher->result_distance;
    if (best_distance > matcher->limit + 1)
        matcher->limit = best_distance - 1;
    if (matcher->limit > (unsigned)matcher->length)
        matcher->limit = matcher->length;
}

static void make_matcher(struct matcher *matcher, const struct kernel_query *query)
{
    const bytes zero = {0};

    matcher->length = query->length;
    matcher->offsets = SYMBOLS - matcher->length + 1;
    for (int i = 0; i < matcher->length; i++)
        matcher->name[i] = zero + class_of(query->pattern[i]);
    matcher->result_distance = query->result_distance;
    lower_limit(matcher, query->best_distance);
}

/* Return the counts, one higher where x equals y. */
INLINE bytes count_equal(bytes counts, bytes x, bytes y)
{
#ifdef __AVX512BW__
    return select_bytes(x == y, counts + 1, counts);  /* one masked addition */
#else
    return counts - (bytes)(x == y);  /* a comparison that holds is -1 */
#endif
}

/* Add to `counts` how many characters of the name match the text at `offset`. */
INLINE bytes count(const struct matcher *matcher, const bytes *classes, int offset, bytes counts)
{
    for (int i = 0; i < matcher->length; i++)
        counts = count_equal(counts, classes[offset + i], matcher->name[i]);
    return counts;
}

/* Return bytes whose sign bit tells which candidates are within the limit. */
INLINE bytes find_hits(const struct matcher *matcher, const bytes classes[SYMBOLS])
{
    enum { STEP = 4 };  /* offsets at a time, so that each character is loaded once for four */
    /* A count that starts here gets its sign bit with the last match that it needs. */
    const bytes start = (bytes){0} + (uint8_t)(128 - (matcher->length - (int)matcher->limit));
    bytes hits = {0};

    if (matcher->offsets < STEP) {
        for (int offset = 0; offset < matcher->offsets; offset++)
            hits |= count(matcher, classes, offset, start);
        return hits;
    }
    for (int next = 0; next < matcher->offsets; next += STEP) {
        /* The last four overlap the four before. */
        int offset = next < matcher->offsets - STEP ? next : matcher->offsets - STEP;
        bytes counts_0 = start, counts_1 = start, counts_2 = start, counts_3 = start;
        for (int i = 0; i < matcher->length; i++) {
            const bytes *part = classes + offset + i;
            bytes character = matcher->name[i];
            counts_0 = count_equal(counts_0, part[0], character);
            counts_1 = count_equal(counts_1, part[1], character);
            counts_2 = count_equal(counts_2, part[2], character);
            counts_3 = count_equal(counts_3, part[3], character);
        }
        hits |= counts_0 | counts_1 | counts_2 | counts_3;
    }
    return hits;
}

/* Return the candidates' distances. */
static bytes distances(const struct matcher *matcher, const bytes classes[SYMBOLS])
{
    const bytes zero = {0};
    bytes most = zero;

    for (int offset = 0; offset < matcher->offsets; offset++) {
        bytes counts = count(matcher, classes, offset, zero);
        most = select_bytes(counts > most, counts, most);
    }
    return (uint8_t)matcher->length - most;
}

/* ---- The scan -------------------------------------------------------------------------------- */

struct scan {
    struct matcher matcher;
    unsigned ideal_distance;
    uint64_t searched;  /* the last position searched, once `ended` */
    bool ended;
    struct kernel_hit *hits;
    size_t count, capacity;
};

INLINE bool any_sign(bytes x)
{
    longs parts = (longs)x;
    uint64_t all = 0;

    for (int i = 0; i < VECTOR_BYTES / 8; i++)
        all |= parts[i];
    return all & 0x8080808080808080;
}

/* Record the hits among the candidates low to high of a group whose first is at `position`. */
static __attribute__((noinline)) void record(struct scan *scan, const bytes classes[SYMBOLS],
                                             uint64_t position, unsigned low, unsigned high)
{
    bytes all = distances(&scan->matcher, classes);

    for (unsigned j = low; j <= high; j++) {
        unsigned distance = all[j];
        if (distance > scan->matcher.limit)
            continue;
        scan->hits[scan->count++] = (struct kernel_hit){position + j, distance};
        lower_limit(&scan->matcher, distance);
        if (distance <= scan->ideal_distance || scan->count == scan->capacity) {
            scan->searched = position + j;
            scan->ended = true;
            return;
        }
    }
}

/* Search the candidates low to high of a block whose first is at `position`. */
static void scan_block(struct scan *scan, const struct block *block, uint64_t position,
                       unsigned low, unsigned high)
{
    for (unsigned group = low / VECTOR_BYTES; group <= high / VECTOR_BYTES; group++) {
        unsigned first = group * VECTOR_BYTES, last = first + VECTOR_BYTES - 1;
        words digests[4][5];
        bytes classes[SYMBOLS];

        for (unsigned i = 0; i < 4; i++)
            (block->word ? hash_1 : hash_0)(block, group * 4 + i, digests[i]);
        classify((const words(*)[5])digests, classes);
        if (any_sign(find_hits(&scan->matcher, classes))) {
            record(scan, classes, position + first, low > first ? low - first : 0,
                   (high < last ? high : last) - first);
            if (scan->ended)
                return;
        }
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

    make_layout(&layout, length);
    for (unsigned i = 0; !scan->ended; i = (i + 1) % LANES) {
        uint64_t first = value - value % BLOCK;
        unsigned low = value - first, high = last - first < BLOCK ? last - first : BLOCK - 1;

        if (i == 0)
            make_batch(&batch, &layout, first);
        make_block(&block, &layout, &batch, i);
        scan_block(scan, &block, origin + first, low, high);
        if (last - first < BLOCK)
            return;
        value = first + BLOCK;
    }
}

size_t KERNEL_SCAN(const struct kernel_query *query, uint64_t first, uint64_t last,
                   struct kernel_hit *hits, size_t capacity, uint64_t *searched)
{
    struct scan scan = {.ideal_distance = query->ideal_distance, .searched = last, .hits = hits,
                        .capacity = capacity};
    uint64_t origin = 0, size = 1;  /* of the secrets of one length: the first position, the number */

    make_matcher(&scan.matcher, query);
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
    *searched = scan.searched;
    return scan.count;
}
