/* The kernel, compiled once for each instruction set with
 *
 *   VECTOR_BYTES  the size of a vector register: 16, 32 or 64
 *   VARIANT       the instruction set's name, a part of those of the functions that this file defines
 *
 * Candidates are hashed in *vectors*, one in each lane, and scored in *groups* of 32 vectors. What depends on
 * the instruction set is fixed at compile time, what depends on the query at run time.
 *
 * docs/kernel.md explains the method. */

#if defined __GNUC__ && !defined __clang__
/* Otherwise GCC reorders the additions of a round, and its result is ready later. */
#pragma GCC optimize("no-tree-reassoc")
#ifndef __SHA__
/* Schedule instructions before registers are allocated, and with regard to their number: 1 to 4 % faster. With SHA
 * instructions it would be as much slower. */
#pragma GCC optimize("schedule-insns", "sched-pressure")
#endif
#endif

#include "layout.h"
#include "matcher.h"
#include "planes.h"
#include "sha1.h"
#define WORD_BITS 32
#include "sha2.h"
#define WORD_BITS 64
#include "sha2.h"

#define JOIN(x, y) x##y
#define FUNCTION(name, variant) JOIN(name, variant)
#define KERNEL_PLAN FUNCTION(kernel_plan_, VARIANT)
#define KERNEL_SCAN FUNCTION(kernel_scan_, VARIANT)
#define KERNEL_FREE FUNCTION(kernel_free_, VARIANT)

static const struct hash *const HASHES[] = {
    [KERNEL_SHA1] = &sha1, [KERNEL_SHA256] = &sha256_hash, [KERNEL_SHA512] = &sha512_hash};

void KERNEL_FREE(struct kernel_plan *plan)
{
    if (plan) {
        free(plan->pattern);
        leave_table(plan->table);
        free(plan->sums);
    }
    free(plan);
}

struct kernel_plan *KERNEL_PLAN(const struct kernel_query *query, unsigned leading, unsigned length)
{
    struct kernel_plan *plan = allocate(sizeof *plan);
    size_t size = query->prefix_length + leading + length + query->suffix_length + 3 * BLOCK;
    uint8_t *message = malloc(size);

    if (plan) {
        memset(plan, 0, sizeof *plan);
        plan->query = query;
        plan->hash = HASHES[query->hash];
        plan->length = length;
        choose_inner(plan);
        plan->table_size = plan->units * plan->hash->table;
        plan->pattern = make_pattern(query, 8 * plan->hash->word_bytes * plan->hash->state);
    }
    if (!plan || !message || !plan->pattern || !lay_out(plan, leading, message)
        || !(plan->table = enter_table(plan))) {
        KERNEL_FREE(plan);
        plan = NULL;
    }
    free(message);
    return plan;
}

/* A bit for each candidate of a group, in order of position: lane i of vector v is bit i of item v. */
struct set {
    uint32_t lanes[GROUP];
};

/* Up to GROUP vectors, and the scan that they belong to. */
struct group {
    words planes[(2 * STATE + 1) * GROUP]; /* of the digests, then zeros for the rest of the last symbol */
    words halves[2 * STATE * GROUP];       /* digests in words of 64 bits */
    struct outers outers;
    const struct kernel_plan *plan;
    struct kernel_scan *scan;
    uint64_t origin;
    unsigned size;                         /* in vectors */
    struct unit units[GROUP];
    uint64_t message[GROUP];               /* the number of each vector's outer message */
    uint64_t first, last;                  /* the secrets to search */
    words match[];
};

INLINE bool any(words x)
{
    longs parts = (longs)x;
    uint64_t all = 0;

    for (int i = 0; i < LONG_LANES; i++)
        all |= parts[i];
    return all != 0;
}

/* The largest distance of a candidate that matters: a result, or better than the best. */
static unsigned limit(const struct group *group)
{
    unsigned limit = group->plan->query->result_distance, best = group->scan->best_distance;

    return best > limit + 1 ? best - 1 : limit;
}

/* Find those of the `allowed` candidates that are within `distance`; return whether there are any. */
static bool within(const struct group *group, unsigned distance, const struct set *allowed,
                   struct set *set)
{
    words hits = find_hits(group->plan->pattern, group->match, distance);
    uint32_t all = 0;

    memset(set, 0, sizeof *set);
    for (unsigned lane = 0; lane < LANES; lane++)
        for (uint32_t bits = hits[lane]; bits; bits &= bits - 1)
            set->lanes[__builtin_ctz(bits)] |= (uint32_t)1 << lane;
    for (int v = 0; v < GROUP; v++)
        all |= set->lanes[v] &= allowed->lanes[v];
    return all;
}

/* A candidate of a group: a vector and a lane. */
struct place {
    unsigned vector, lane;
};

static struct place first_of(const struct set *set)
{
    unsigned v = 0;

    while (!set->lanes[v])
        v++;
    return (struct place){v, (unsigned)__builtin_ctz(set->lanes[v])};
}

static struct place last_of(const struct set *set)
{
    unsigned v = GROUP - 1;

    while (!set->lanes[v])
        v--;
    return (struct place){v, 31 - (unsigned)__builtin_clz(set->lanes[v])};
}

/* Remove the candidates after `last`. */
static void cut(struct set *set, struct place last)
{
    set->lanes[last.vector] &= ~(uint32_t)0 >> (31 - last.lane);
    for (unsigned v = last.vector + 1; v < GROUP; v++)
        set->lanes[v] = 0;
}

/* Return the number of the vector's first secret. */
static uint64_t secret_of(const struct group *group, unsigned v)
{
    return group->message[v] * group->plan->combinations + group->units[v].number * LANES;
}

static uint64_t position(const struct group *group, struct place place)
{
    return group->origin + secret_of(group, place.vector) + place.lane;
}

/* Return the candidates of the group that are to be searched. */
static struct set searched(const struct group *group)
{
    struct set set = {{0}};

    for (unsigned v = 0; v < group->size; v++) {
        uint64_t secret = secret_of(group, v);
        uint32_t begin = group->units[v].number * LANES, lanes = ~(uint32_t)0 >> (32 - LANES);
        if (begin >= group->plan->combinations)
            continue;
        if (group->plan->combinations - begin < LANES)
            lanes >>= LANES - (group->plan->combinations - begin);
        if (secret < group->first)
            lanes &= ~(uint32_t)0 << (group->first - secret);
        if (group->last - secret < LANES)
            lanes &= ~(uint32_t)0 >> (31 - (group->last - secret));
        set.lanes[v] = lanes;
    }
    return set;
}

/* Write the results; return the last one if there is no room for more, else `last`. */
static struct place write_results(const struct group *group, const struct set *set, struct place last)
{
    struct kernel_scan *scan = group->scan;

    for (unsigned v = 0; v < GROUP; v++)
        for (uint32_t bits = set->lanes[v]; bits; bits &= bits - 1) {
            struct place place = {v, (unsigned)__builtin_ctz(bits)};
            scan->results[scan->count++] = position(group, place);
            if (scan->count == scan->capacity) {
                scan->ended = true;
                return place;
            }
        }
    return last;
}

/* Record what matters in a group. */
OUTLINE void record(struct group *group)
{
    struct kernel_scan *scan = group->scan;
    const struct kernel_query *query = group->plan->query;
    struct set allowed = searched(group), set;
    struct place last = last_of(&allowed);

    if (within(group, query->ideal_distance, &allowed, &set)) {
        last = first_of(&set);
        cut(&allowed, last);
        scan->ended = scan->found = true;
    }
    if (within(group, query->result_distance, &allowed, &set)) {
        struct place written = write_results(group, &set, last);
        if (written.vector != last.vector || written.lane != last.lane)
            scan->found = false;
        last = written;
        cut(&allowed, last);
    }
    if (scan->ended)
        scan->searched = position(group, last);
    while (scan->best_distance && within(group, scan->best_distance - 1, &allowed, &set)) {
        scan->best_distance--;
        scan->best_position = position(group, first_of(&set));
    }
}

/* Where the digests of the vector v are written. */
static words *digest(struct group *group, unsigned v)
{
    return group->plan->hash->word_bytes == 4 ? group->planes + v : group->halves + 2 * v;
}

/* Hash the remaining blocks of the group's vectors, score them, and record what matters. */
static void finish(struct group *group)
{
    const struct kernel_plan *plan = group->plan;
    const struct hash *hash = plan->hash;
    uint32_t touched = plan->pattern->touched;

    if (plan->straddles)
        hash->second(plan, group->units, group->size, digest(group, 0));
    for (size_t i = 0; i < plan->constant_blocks; i++)
        hash->constant(plan->sums + i * hash->rounds * hash->word_bytes, group->size,
                       digest(group, 0));
    if (hash->word_bytes == 8)
        for (unsigned i = 0; i < STATE; i++)
            if (touched >> 2 * i & 3)
                split(group->halves + 2 * GROUP * i, group->planes + 2 * GROUP * i,
                      group->planes + 2 * GROUP * i + GROUP);
    for (uint32_t rest = touched; rest; rest &= rest - 1)
        transpose(group->planes + GROUP * __builtin_ctz(rest));
    match_group(plan->pattern, group->planes, group->match);
    if (any(find_hits(plan->pattern, group->match, limit(group))))
        record(group);
}

/* Search the secrets from `first` to `last` of the group. */
static void search(struct group *group)
{
    const struct kernel_plan *plan = group->plan;
    struct kernel_scan *scan = group->scan;
    const words *table = plan->table->vectors;
    const size_t stride = plan->hash->table;
    const unsigned outers = outer_lanes(plan);
    const uint64_t last = group->last / plan->combinations;
    const uint32_t last_number = (uint32_t)(group->last % plan->combinations) / LANES;
    uint64_t message = group->first / plan->combinations;
    uint32_t number = (uint32_t)(group->first % plan->combinations) / LANES, outer = 0;
    bool done;

    make_outers(plan, message, &group->outers);
    do {
        const unsigned begin = group->size;
        do {  /* the vectors of one outer message */
            uint32_t end = message == last ? last_number + 1 : plan->units;
            if (end - number > GROUP - group->size)
                end = number + GROUP - group->size;
            for (; number < end; number++) {
                group->units[group->size] = (struct unit){table + number * stride, outer, number};
                group->message[group->size++] = message;
            }
            done = message == last && number > last_number;
            if (number == plan->units)
                number = 0, message++, outer++;
        } while (!done && outer < outers && group->size < GROUP);
        while (group->size % CALL) {
            group->units[group->size] = (struct unit){table, 0, plan->units};
            group->message[group->size++] = 0;
        }
        plan->hash->first(plan, &group->outers, group->units + begin, group->size - begin,
                          digest(group, begin));
        if (outer == outers && !done)
            make_outers(plan, message, &group->outers), outer = 0;
        if (group->size < GROUP && !done)
            continue;
        finish(group);
        if (!done && !scan->ended && scan->halt && __atomic_load_n(scan->halt, __ATOMIC_RELAXED)) {
            struct set all = searched(group);
            scan->searched = position(group, last_of(&all));
            scan->ended = true;
        }
        group->size = 0;
    } while (!done && !scan->ended);
}

bool KERNEL_SCAN(const struct kernel_plan *plan, struct kernel_scan *scan, uint64_t origin,
                 uint64_t first, uint64_t last)
{
    struct group *group = allocate(sizeof *group + match_size(plan->pattern));

    if (!group)
        return false;
    /* Of the digest, and of the rest of its last symbol. */
    memset(group->planes, 0, (plan->hash->state * plan->hash->word_bytes / 4 + 1) * GROUP * sizeof(words));
    if (plan->hash->word_bytes == 8)  /* GROUP vectors are scored, also where fewer are hashed */
        memset(group->halves, 0, sizeof group->halves);
    group->plan = plan;
    group->scan = scan;
    group->origin = origin;
    group->first = first;
    group->last = last;
    group->size = 0;
    set_constant_matches(plan->pattern, group->match);
    search(group);
    free(group);
    return true;
}
