/* The kernel: searches a range of positions. See docs/kernel.md. */

#ifndef HASHFINDER_KERNEL_H
#define HASHFINDER_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KERNEL_TEXT_LENGTH = 28 };  /* base64 of a SHA-1, its '=' included */

/* What to search for, and what is known already. */
struct kernel_query {
    const uint8_t *pattern;    /* the name, letters in lower case; 0 matches no character */
    unsigned length;           /* of the name: 1 to KERNEL_TEXT_LENGTH */
    unsigned ideal_distance;   /* the first candidate within it ends the scan */
    unsigned result_distance;  /* a candidate within it is a result; at least ideal_distance */
    unsigned best_distance;    /* the smallest distance known */
    const uint8_t *halt;       /* once this byte is not 0, the scan ends early; NULL for none */
};

/* What a scan came to. */
struct kernel_outcome {
    uint64_t searched;         /* the last position searched */
    size_t count;              /* of results */
    bool found;                /* whether the last result is within the ideal distance */
    unsigned best_distance;    /* the smallest distance, of the query or the scan */
    uint64_t best_position;    /* the first with it, where it is below the query's */
};

/* Search the positions `first` to `last`, both included, in order, until the first candidate within
 * `ideal_distance` or the `capacity`-th result (at least 1). Writes the positions of the results. Another
 * thread may set `halt` at any time: the scan then ends some microseconds later, wherever it is. */
typedef struct kernel_outcome kernel_scan(const struct kernel_query *query, uint64_t first,
                                          uint64_t last, uint64_t *results, size_t capacity);

/* The kernel compiled for one instruction set. */
struct kernel_variant {
    const char *name;
    const char *const *features;  /* the CPU features it needs; ends with NULL */
    kernel_scan *scan;
};

/* All variants of this build, the fastest first; ends with a NULL name. */
extern const struct kernel_variant kernel_variants[];

/* Whether the CPU has the feature, by a name that occurs in `kernel_variants`, and the operating
 * system lets programs use it. */
int kernel_cpu_has(const char *feature);

#endif
