/* The variants for vectors of 64 bytes, built without AVX-512: the compiler makes a vector of several
 * registers. So any CPU runs what is theirs alone: the layout, the transposition, the streams. */

#include "kernel.h"

#define DECLARE(name)                                                                              \
    struct kernel_plan *kernel_plan_##name(const struct kernel_query *, unsigned, unsigned);       \
    void kernel_free_##name(struct kernel_plan *);                                                 \
    bool kernel_scan_##name(const struct kernel_plan *, struct kernel_scan *, uint64_t, uint64_t,  \
                            uint64_t)
#define VARIANT(name) {#name, nothing, kernel_plan_##name, kernel_free_##name, kernel_scan_##name}

DECLARE(streams_1);
DECLARE(streams_2);
DECLARE(streams_4);

static const char *const nothing[] = {NULL};

const struct kernel_variant kernel_variants[] = {
    VARIANT(streams_1),
    VARIANT(streams_2),
    VARIANT(streams_4),
    {0},
};

int kernel_cpu_has(const char *feature)
{
    (void)feature;
    return 0;
}
