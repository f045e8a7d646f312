/* Scans secrets of all lengths, and keeps the plans of the lengths in use. */

#include "kernel.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEPT = 2,       /* plans of a scanner: at the border between two lengths, scans at once need both */
    ALL_KEPT = 64,  /* of all scanners together, since some take 700 KiB: beyond that, each scan makes its own */
};

static unsigned all_kept;

struct entry {
    struct kernel_plan *plan;
    unsigned length;
    unsigned users;  /* scans that use it, and the scanner if it keeps it */
};

struct kernel_scanner {
    const struct kernel_variant *variant;
    struct kernel_query query;  /* its pointers are into `data` */
    pthread_mutex_t lock;       /* of the entries */
    struct entry *kept[KEPT];
    uint8_t data[];
};

/* Copy `size` bytes to `end`, and let `*source` point to the copy. Return where the copy ends. */
static uint8_t *keep(uint8_t *end, const uint8_t **source, size_t size)
{
    if (size)
        memcpy(end, *source, size);
    *source = end;
    return end + size;
}

struct kernel_scanner *kernel_prepare(const struct kernel_variant *variant,
                                      const struct kernel_query *query)
{
    size_t name_size = query->length * sizeof *query->name;
    struct kernel_scanner *scanner = malloc(sizeof *scanner + name_size + query->prefix_length
                                            + query->suffix_length + query->alphabet_size);

    if (!scanner)
        return NULL;
    *scanner = (struct kernel_scanner){.variant = variant, .query = *query};
    pthread_mutex_init(&scanner->lock, NULL);
    const uint8_t *name = (const uint8_t *)query->name;
    uint8_t *end = keep(scanner->data, &name, name_size);
    scanner->query.name = (const struct kernel_symbols *)(const void *)name;
    end = keep(end, &scanner->query.prefix, query->prefix_length);
    end = keep(end, &scanner->query.suffix, query->suffix_length);
    keep(end, &scanner->query.alphabet, query->alphabet_size);
    return scanner;
}

/* Release an entry. The lock is held, or nothing else uses the scanner. */
static void drop(const struct kernel_scanner *scanner, struct entry *entry)
{
    if (!--entry->users) {
        scanner->variant->free(entry->plan);
        free(entry);
    }
}

/* Keep an entry in the place of another, or of none; give that up. The lock is held. */
static void replace(const struct kernel_scanner *scanner, struct entry **kept, struct entry *entry)
{
    if (*kept) {
        drop(scanner, *kept);
        __atomic_sub_fetch(&all_kept, 1, __ATOMIC_RELAXED);
        *kept = NULL;
    }
    if (!entry)
        return;
    if (__atomic_add_fetch(&all_kept, 1, __ATOMIC_RELAXED) <= ALL_KEPT) {
        *kept = entry;
        entry->users++;
    } else {
        __atomic_sub_fetch(&all_kept, 1, __ATOMIC_RELAXED);
    }
}

void kernel_release(struct kernel_scanner *scanner)
{
    for (unsigned i = 0; i < KEPT; i++)
        replace(scanner, &scanner->kept[i], NULL);
    pthread_mutex_destroy(&scanner->lock);
    free(scanner);
}

/* Return the plan for a length, made if it is not kept; NULL if out of memory. The caller must `leave` it. */
static struct entry *enter(struct kernel_scanner *scanner, unsigned leading, unsigned length)
{
    struct entry **kept = &scanner->kept[length % KEPT];

    pthread_mutex_lock(&scanner->lock);
    struct entry *entry = *kept;
    if (entry && entry->length == length) {
        entry->users++;
    } else {
        struct kernel_plan *plan = scanner->variant->plan(&scanner->query, leading, length);
        entry = malloc(sizeof *entry);
        if (entry && plan)
            *entry = (struct entry){plan, length, 1};
        else {
            scanner->variant->free(plan);
            free(entry);
            entry = NULL;
        }
        replace(scanner, kept, entry);
    }
    pthread_mutex_unlock(&scanner->lock);
    return entry;
}

static void leave(struct kernel_scanner *scanner, struct entry *entry)
{
    pthread_mutex_lock(&scanner->lock);
    drop(scanner, entry);
    pthread_mutex_unlock(&scanner->lock);
}

/* Return the number of the last secret of `length` symbols, at most UINT64_MAX. */
static uint64_t last_secret(unsigned size, unsigned length)
{
    uint64_t last = 0;

    while (length--)
        if (__builtin_mul_overflow(last, size, &last) || __builtin_add_overflow(last, size - 1, &last))
            return UINT64_MAX;
    return last;
}

uint64_t kernel_last_position(const struct kernel_scanner *scanner)
{
    const struct kernel_query *query = &scanner->query;

    return query->secret_length == KERNEL_ANY_LENGTH
               ? UINT64_MAX
               : last_secret(query->alphabet_size, (unsigned)query->secret_length);
}

static bool scan_length(struct kernel_scanner *scanner, struct kernel_scan *scan, unsigned leading,
                        unsigned length, uint64_t origin, uint64_t first, uint64_t last)
{
    struct entry *entry = enter(scanner, leading, length);
    bool done = entry && scanner->variant->scan(entry->plan, scan, origin, first - origin, last - origin);

    if (entry)
        leave(scanner, entry);
    return done;
}

bool kernel_scan(struct kernel_scanner *scanner, struct kernel_scan *scan, uint64_t first,
                 uint64_t last)
{
    unsigned size = scanner->query.alphabet_size, length = 0;
    uint64_t origin = 0, end;

    scan->searched = last;
    if (scan->best_distance > scanner->query.length + 1)
        scan->best_distance = scanner->query.length + 1;
    if (scanner->query.secret_length != KERNEL_ANY_LENGTH) {
        unsigned whole = (unsigned)scanner->query.secret_length;
        /* Below 2^64 positions only the last symbols change. All before them are the alphabet's first. */
        while (length < whole && last_secret(size, length) != UINT64_MAX)
            length++;
        return scan_length(scanner, scan, whole - length, length, 0, first, last);
    }
    for (;; length++, origin = end + 1) {
        if (__builtin_add_overflow(origin, last_secret(size, length), &end))
            end = UINT64_MAX;
        if (first > end)
            continue;
        uint64_t stop = last < end ? last : end;
        if (!scan_length(scanner, scan, 0, length, origin, first, stop))
            return false;
        if (scan->ended || last <= end)
            return true;
        if (scan->halt && __atomic_load_n(scan->halt, __ATOMIC_RELAXED)) {
            scan->searched = end;
            scan->ended = true;
            return true;
        }
        first = end + 1;
    }
}
