/* The kernel: searches ranges of positions. See docs/kernel.md. */

#ifndef HASHFINDER_KERNEL_H
#define HASHFINDER_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kernel_hash { KERNEL_SHA1, KERNEL_SHA256, KERNEL_SHA512 };

enum {
    KERNEL_TEXT_LENGTH = 512,    /* the most characters of a text: a SHA-512 in binary */
    KERNEL_SECRET_LENGTH = 1024, /* the most bytes of a secret of fixed length */
    KERNEL_AFFIX_LENGTH = 49152, /* the most bytes of prefix and suffix together */
    KERNEL_ANY_LENGTH = -1,
};

/* What a character of the name matches. */
struct kernel_symbols {
    uint64_t values;  /* bit v: the symbol of the value v. None, one, two or all are set. */
    bool padding;     /* the encoding's '=' */
};

/* Return the values of all symbols. */
static inline uint64_t kernel_all_values(unsigned symbol_bits)
{
    return symbol_bits == 6 ? UINT64_MAX : ((uint64_t)1 << (1 << symbol_bits)) - 1;
}

/* What to search for. A digest's text has a symbol for each `symbol_bits` bits, most significant first. Zero bits
 * fill the last symbol, and padding fills the text up to `text_length`. */
struct kernel_query {
    enum kernel_hash hash;
    const uint8_t *prefix, *suffix;    /* the message is prefix, secret, suffix */
    size_t prefix_length, suffix_length;
    const uint8_t *alphabet;           /* what secrets are made of, in the order of the positions */
    unsigned alphabet_size;            /* 2 to 256 */
    int secret_length;                 /* of all secrets, in bytes; KERNEL_ANY_LENGTH for all lengths from 0 */
    unsigned symbol_bits;              /* 1, 4, 5 or 6 */
    unsigned text_length;
    const struct kernel_symbols *name; /* one for each character */
    unsigned length;                   /* of the name: 1 to text_length */
    unsigned first_offset, last_offset; /* where in the text the name may begin, both included */
    unsigned ideal_distance;           /* the first candidate within it ends the scan */
    unsigned result_distance;          /* a candidate within it is a result; at least ideal_distance */
};

/* One scan: its input, and its outcome so far. */
struct kernel_scan {
    const uint8_t *halt;      /* once this byte is not 0, the scan ends early; NULL for none */
    uint64_t *results;        /* the positions of the results */
    size_t capacity;          /* the most results, at least 1 */
    size_t count;             /* of results, at first 0 */
    unsigned best_distance;   /* the smallest distance known */
    uint64_t best_position;   /* the first candidate at that distance; set when the scan lowers it */
    uint64_t searched;        /* the last position searched */
    bool ended;               /* whether an ideal result, a full buffer or `halt` has ended the scan */
    bool found;               /* whether the last result is within the ideal distance */
};

/* A query prepared for the secrets of one length and for one instruction set. */
struct kernel_plan;

/* The kernel compiled for one instruction set. */
struct kernel_variant {
    const char *name;
    const char *const *features;  /* the CPU features it needs; ends with NULL */
    /* Prepare for secrets that are the alphabet's first byte `leading` times, then any `length` of its bytes.
     * Return NULL if out of memory. The query must outlive the plan. `free` releases the plan. */
    struct kernel_plan *(*plan)(const struct kernel_query *query, unsigned leading, unsigned length);
    void (*free)(struct kernel_plan *plan);
    /* Search the secrets `first` to `last`, both included, of the plan's length. `origin` is the
     * position of the secret 0. Return false if out of memory. */
    bool (*scan)(const struct kernel_plan *plan, struct kernel_scan *scan, uint64_t origin,
                 uint64_t first, uint64_t last);
};

/* All variants of this build, the fastest first; ends with a NULL name. */
extern const struct kernel_variant kernel_variants[];

/* Return whether the CPU has a feature, and the operating system lets programs use it. The names are those
 * in `kernel_variants`. */
int kernel_cpu_has(const char *feature);

/* Scans one query. Any number of threads may scan at once. */
struct kernel_scanner;

/* Copy the query and return a scanner of it; NULL if out of memory. */
struct kernel_scanner *kernel_prepare(const struct kernel_variant *variant,
                                      const struct kernel_query *query);

/* Release a scanner that no thread is using. */
void kernel_release(struct kernel_scanner *scanner);

/* The last position that there is: UINT64_MAX, or that of the last secret of the fixed length. */
uint64_t kernel_last_position(const struct kernel_scanner *scanner);

/* Search the positions `first` to `last`, both included, in order, until the first candidate within
 * `ideal_distance` or the `capacity`-th result. Another thread may set `halt` at any time: the scan then
 * ends some microseconds later, wherever it is. Return false if out of memory. */
bool kernel_scan(struct kernel_scanner *scanner, struct kernel_scan *scan, uint64_t first,
                 uint64_t last);

#endif
