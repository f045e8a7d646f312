/* How candidates are laid out in vectors, and which parts of their messages are computed beforehand.
 *
 * The last symbols of a secret *vary* between the lanes of vectors. There are as many of them as have some hundreds
 * of *combinations*. A table of *lane vectors*, which plans share, has the varying symbols of each
 * combination, and zeros for the rest of the message. An *outer message* has the rest, and zeros for the varying
 * symbols. As many outer messages as a vector has lanes are prepared at once. The message of a candidate is the
 * exclusive-or of an outer message and a lane of the table. */

#ifndef HASHFINDER_LAYOUT_H
#define HASHFINDER_LAYOUT_H

#include "kernel.h"
#include "simd.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROUNDS = 80,           /* the most of any hash */
    STATE = 8,             /* the most words of any hash's state */
    BLOCK = 128,           /* the most bytes of any hash's block */
    PLACES = 64,           /* the most symbols of a secret that change below 2^64 positions */
    COMBINATIONS = 1104,   /* the most of varying symbols: the table of more would not fit the CPU's cache */
    GROUP = 32,            /* vectors whose digests are scored together */
    CALL = 4,              /* hash functions take a multiple of so many vectors */
    TABLES = 8,            /* that are kept for the plans to come */
};

/* Outer messages, one in each lane. Lanes have 32 or 64 bits, as the hash's words. Of each message, it is the
 * block that has the first varying symbol. */
struct outers {
    words chain[STATE];    /* the state before the block */
    words state[STATE];    /* the state before the first varying word; SHA-1: two rounds on, see sha1_prepare */
    words message[ROUNDS]; /* the words, expanded */
    words sum[ROUNDS];     /* the same, plus the rounds' constants */
};

/* A vector to hash: LANES candidates in order. */
struct unit {
    const words *lanes;    /* its part of the table */
    uint32_t outer;        /* the lane of its outer message */
    uint32_t number;       /* among the units of that message; of a unit that only fills a call: their number */
};

struct kernel_plan;

/* A hash algorithm. In `digest`, the words of the state are GROUP vectors apart. Where words have 64 bits it is
 * 2 * GROUP: vectors of even candidates and of odd ones alternate. */
struct hash {
    unsigned word_bytes;   /* 4 or 8; a block has 16 words */
    unsigned state;        /* words */
    unsigned rounds;
    unsigned table;        /* lane vectors for a unit and block */
    uint64_t (*initial)(unsigned word);
    /* Expand the 16 words of each lane's message. */
    void (*expand)(words message[ROUNDS]);
    void (*add_constants)(words message[ROUNDS]);
    /* Do the rounds `from` up to, not including, `to`, on the expanded words plus constants. */
    void (*run)(words state[STATE], const words sum[ROUNDS], unsigned from, unsigned to);
    /* Change `state` into what `first` starts from; NULL to leave it. */
    void (*prepare)(struct outers *outers);
    /* For `count` vectors, a multiple of CALL: hash the block of the first varying symbol; */
    void (*first)(const struct kernel_plan *plan, const struct outers *outers,
                  const struct unit *units, unsigned count, words *digest);
    /* hash the block after it, if the varying symbols end there; */
    void (*second)(const struct kernel_plan *plan, const struct unit *units, unsigned count,
                   words *digest);
    /* hash one more block, the same for all candidates, from its expanded words plus constants. */
    void (*constant)(const void *sum, unsigned count, words *digest);
};

/* The table of a plan, and of all others whose varying symbols are the same and at the same place of their
 * block: a search of some hundred secrets would take as long to fill one as to hash them. */
struct table {
    unsigned users;            /* plans, and the array of those that are kept */
    const struct hash *hash;
    unsigned begin, inner;     /* the first of the symbols in its block, and how many there are */
    unsigned alphabet_size;
    uint8_t alphabet[256];
    bool varies[ROUNDS];       /* SHA-1: whether the expanded word t of the first block depends on varying symbols */
    words vectors[];           /* of the first block, and then of the second */
};

struct pattern;

struct kernel_plan {
    const struct kernel_query *query;
    const struct hash *hash;
    struct pattern *pattern;    /* see matcher.h */
    unsigned length;            /* symbols of the secret that may change */
    unsigned inner;             /* the last of them, which vary between lanes */
    uint32_t combinations;
    uint32_t units;             /* vectors for an outer message */
    unsigned begin;             /* where the symbols that may change begin in `head` */
    unsigned outer_blocks;      /* blocks of `head` before that of the first varying symbol: 0 or 1 */
    unsigned first_word;        /* where the varying symbols begin in their block */
    unsigned last_word;         /* and end, if not in the next block */
    bool straddles;             /* they end in the next block */
    unsigned constant_blocks;   /* after those */
    struct table *table;
    size_t table_size;          /* vectors, of one block */
    uint8_t *sums;              /* of the constant blocks */
    uint8_t head[2 * BLOCK];    /* two blocks of the message, from that of these symbols on; zeros for them */
    words chain[STATE];         /* the state before `head` */
    words second[ROUNDS];       /* the outer message of the second block, expanded, the same in all lanes */
};

static void *allocate(size_t size)
{
    return aligned_alloc(VECTOR_BYTES, (size + VECTOR_BYTES - 1) / VECTOR_BYTES * VECTOR_BYTES);
}

INLINE words add_words(unsigned word_bytes, words x, words y)
{
    return word_bytes == 4 ? x + y : (words)((longs)x + (longs)y);
}

/* Write the 16 words of a block into one lane of vectors that are `step` apart. */
INLINE void set_lane(unsigned word_bytes, words *vectors, unsigned step, unsigned lane,
                     const uint8_t *block)
{
    for (unsigned t = 0; t < 16; t++) {
        uint32_t upper, lower;
        memcpy(&upper, block + t * word_bytes, 4);
        memcpy(&lower, block + t * word_bytes + word_bytes - 4, 4);
        uint32_t *lanes = (uint32_t *)(vectors + t * step);
        if (word_bytes == 4) {
            lanes[lane] = __builtin_bswap32(upper);
        } else {
            lanes[2 * lane] = __builtin_bswap32(lower);
            lanes[2 * lane + 1] = __builtin_bswap32(upper);
        }
    }
}

/* Write the 16 words of a block into all lanes. */
static void set_lanes(unsigned word_bytes, words *vectors, const uint8_t *block)
{
    for (unsigned lane = 0; lane < VECTOR_BYTES / word_bytes; lane++)
        set_lane(word_bytes, vectors, 1, lane, block);
}

/* Hash a block of each lane's message; `message` becomes the expanded words plus constants. */
static void compress(const struct hash *hash, words chain[STATE], words message[ROUNDS])
{
    words state[STATE];

    memcpy(state, chain, sizeof state);
    hash->expand(message);
    hash->add_constants(message);
    hash->run(state, message, 0, hash->rounds);
    for (unsigned i = 0; i < hash->state; i++)
        chain[i] = add_words(hash->word_bytes, chain[i], state[i]);
}

/* Return the number of outer messages that a vector holds. */
INLINE unsigned outer_lanes(const struct kernel_plan *plan)
{
    return VECTOR_BYTES / plan->hash->word_bytes;
}

/* Prepare the outer messages from the number `first` on. */
static void make_outers(const struct kernel_plan *plan, uint64_t first, struct outers *outers)
{
    const struct hash *hash = plan->hash;
    const struct kernel_query *query = plan->query;
    unsigned places = plan->length - plan->inner, block = 16 * hash->word_bytes;
    uint8_t head[2 * BLOCK], *symbols = head + plan->begin;
    unsigned digits[PLACES];
    words before[ROUNDS];

    memcpy(head, plan->head, sizeof head);
    for (unsigned place = places; place-- > 0; first /= query->alphabet_size) {
        digits[place] = first % query->alphabet_size;
        symbols[place] = query->alphabet[digits[place]];
    }
    for (unsigned lane = 0; lane < outer_lanes(plan); lane++) {
        if (plan->outer_blocks)
            set_lane(hash->word_bytes, before, 1, lane, head);
        set_lane(hash->word_bytes, outers->message, 1, lane, head + plan->outer_blocks * block);
        for (unsigned place = places; place-- > 0;) {  /* the next secret's symbols */
            digits[place] = (digits[place] + 1) % query->alphabet_size;
            symbols[place] = query->alphabet[digits[place]];
            if (digits[place])
                break;
        }
    }
    memcpy(outers->chain, plan->chain, sizeof outers->chain);
    if (plan->outer_blocks)
        compress(hash, outers->chain, before);
    hash->expand(outers->message);
    memcpy(outers->sum, outers->message, sizeof outers->sum);
    hash->add_constants(outers->sum);
    memcpy(outers->state, outers->chain, sizeof outers->state);
    hash->run(outers->state, outers->sum, 0, plan->first_word);
    if (hash->prepare)
        hash->prepare(outers);
}

/* Choose how many symbols vary between lanes, so that as few lanes as possible are idle. */
static void choose_inner(struct kernel_plan *plan)
{
    unsigned size = plan->query->alphabet_size;
    uint32_t combinations = 1;

    for (unsigned inner = 0; inner <= plan->length && combinations <= COMBINATIONS; inner++) {
        uint32_t units = (combinations + LANES - 1) / LANES;
        /* That is, combinations / units is not below what it was. */
        if (!inner || combinations * plan->units >= plan->combinations * units) {
            plan->inner = inner;
            plan->combinations = combinations;
            plan->units = units;
        }
        combinations *= size;
    }
}

/* Fill a table. Padding lanes repeat the last combination. */
static void fill_table(const struct kernel_plan *plan, struct table *table)
{
    const struct hash *hash = plan->hash;
    unsigned size = hash->word_bytes, block = 16 * size;

    for (uint32_t i = 0; i < plan->units * (1u + plan->straddles); i++)
        memset(table->vectors + i * hash->table, 0, block * LANES);
    for (uint32_t i = 0; i < plan->units * LANES; i++) {
        uint32_t rest = i < plan->combinations ? i : plan->combinations - 1;
        for (unsigned place = plan->inner; place-- > 0; rest /= table->alphabet_size) {
            unsigned at = table->begin + place, t = at % block / size;
            words *unit = table->vectors + at / block * plan->table_size + i / LANES * hash->table;
            uint8_t *word = size == 4 ? (uint8_t *)(unit + t) + i % LANES * 4
                                      : (uint8_t *)(unit + 2 * t + i % 2) + i % LANES / 2 * 8;
            word[size - 1 - at % size] = table->alphabet[rest % table->alphabet_size];
        }
    }
    if (hash->table != ROUNDS)
        return;
    /* SHA-1's expansion is linear: lane vectors and outer messages are expanded separately. */
    for (uint32_t i = 0; i < plan->units * (1u + plan->straddles); i++)
        hash->expand(table->vectors + i * ROUNDS);
    words bits[ROUNDS] = {{0}};  /* that are set in any unit */
    for (uint32_t i = 0; i < plan->units * ROUNDS; i++)
        bits[i % ROUNDS] |= table->vectors[i];
    for (unsigned t = 0; t < ROUNDS; t++)
        for (unsigned lane = 0; lane < LANES; lane++)
            table->varies[t] |= bits[t][lane] != 0;
}

static struct {
    pthread_mutex_t lock;
    struct table *kept[TABLES];  /* by where in the block their symbols begin */
} tables = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Release a table. The lock is held. */
static void drop_table(struct table *table)
{
    if (table && !--table->users)
        free(table);
}

/* Return the table for a plan, made if it is not kept; NULL if out of memory. The caller must `leave_table`. */
static struct table *enter_table(const struct kernel_plan *plan)
{
    const struct kernel_query *query = plan->query;
    unsigned begin = plan->begin + plan->length - plan->inner - plan->outer_blocks * 16 * plan->hash->word_bytes;
    struct table **kept = &tables.kept[begin % TABLES];

    pthread_mutex_lock(&tables.lock);
    struct table *table = *kept;
    if (!table || table->hash != plan->hash || table->begin != begin || table->inner != plan->inner
        || table->alphabet_size != query->alphabet_size
        || memcmp(table->alphabet, query->alphabet, query->alphabet_size) != 0) {
        table = allocate(sizeof *table + (1u + plan->straddles) * plan->table_size * sizeof(words));
        if (table) {
            memset(table, 0, sizeof *table);
            table->users = 1;
            table->hash = plan->hash;
            table->begin = begin;
            table->inner = plan->inner;
            table->alphabet_size = query->alphabet_size;
            memcpy(table->alphabet, query->alphabet, query->alphabet_size);
            fill_table(plan, table);
            drop_table(*kept);
            *kept = table;
        }
    }
    if (table)
        table->users++;
    pthread_mutex_unlock(&tables.lock);
    return table;
}

static void leave_table(struct table *table)
{
    pthread_mutex_lock(&tables.lock);
    drop_table(table);
    pthread_mutex_unlock(&tables.lock);
}

/* Write prefix, zeros for the secret, suffix, and the padding of the hash; return the number of blocks. */
static size_t write_message(const struct kernel_plan *plan, unsigned leading, uint8_t *message)
{
    const struct kernel_query *query = plan->query;
    unsigned block = 16 * plan->hash->word_bytes, tail = 2 * plan->hash->word_bytes;
    size_t secret = query->prefix_length + leading;
    size_t length = secret + plan->length + query->suffix_length;
    size_t blocks = (length + 1 + tail + block - 1) / block;

    memset(message, 0, blocks * block);
    if (query->prefix_length)
        memcpy(message, query->prefix, query->prefix_length);
    memset(message + query->prefix_length, query->alphabet[0], leading);
    if (query->suffix_length)
        memcpy(message + secret + plan->length, query->suffix, query->suffix_length);
    message[length] = 0x80;
    for (unsigned i = 0; i < 8; i++)  /* the length in bits */
        message[blocks * block - 1 - i] = (uint8_t)((uint64_t)8 * length >> 8 * i);
    return blocks;
}

/* Lay out the message around the secret. `message` has room for all of it. Return false if out of memory. */
static bool lay_out(struct kernel_plan *plan, unsigned leading, uint8_t *message)
{
    const struct hash *hash = plan->hash;
    unsigned block = 16 * hash->word_bytes;
    size_t blocks = write_message(plan, leading, message);
    size_t secret = plan->query->prefix_length + leading, next = secret / block;
    words w[ROUNDS];

    plan->begin = secret % block;
    unsigned begin = plan->begin + plan->length - plan->inner;
    unsigned end = plan->inner ? begin + plan->inner - 1 : begin;
    plan->outer_blocks = plan->inner ? begin / block : 0;
    plan->straddles = end / block > plan->outer_blocks;
    plan->first_word = plan->inner ? begin % block / hash->word_bytes : 0;
    plan->last_word = plan->straddles ? 15 : end % block / hash->word_bytes;
    for (size_t i = 0; i < STATE; i++)
        for (unsigned lane = 0; lane < outer_lanes(plan); lane++)
            if (hash->word_bytes == 4)
                ((uint32_t *)&plan->chain[i])[lane] = (uint32_t)hash->initial(i % hash->state);
            else
                ((uint64_t *)&plan->chain[i])[lane] = hash->initial(i);
    for (size_t i = 0; i < next; i++) {
        set_lanes(hash->word_bytes, w, message + i * block);
        compress(hash, plan->chain, w);
    }
    for (size_t i = 0; i < 2 && next + i < blocks; i++)
        memcpy(plan->head + i * block, message + (next + i) * block, block);
    next += plan->outer_blocks + 1;
    if (plan->straddles) {
        set_lanes(hash->word_bytes, plan->second, message + next++ * block);
        hash->expand(plan->second);
    }
    plan->constant_blocks = (unsigned)(blocks - next);
    plan->sums = malloc(plan->constant_blocks * hash->rounds * hash->word_bytes + 1);
    for (size_t i = 0; plan->sums && i < plan->constant_blocks; i++) {
        set_lanes(hash->word_bytes, w, message + (next + i) * block);
        hash->expand(w);
        hash->add_constants(w);
        for (unsigned t = 0; t < hash->rounds; t++)
            memcpy(plan->sums + (i * hash->rounds + t) * hash->word_bytes, &w[t], hash->word_bytes);
    }
    return plan->sums;
}

#endif
