/* The variant for vectors of 64 bytes, built without AVX-512: the compiler makes a vector of several
 * registers. So any CPU runs what is its alone: the layout, the transposition, the streams. */

#include "kernel.h"

struct kernel_plan *kernel_plan_emulated(const struct kernel_query *, unsigned, unsigned);
void kernel_free_emulated(struct kernel_plan *);
bool kernel_scan_emulated(const struct kernel_plan *, struct kernel_scan *, uint64_t, uint64_t, uint64_t);

static const char *const nothing[] = {NULL};

const struct kernel_variant kernel_variants[] = {
    {"emulated", nothing, kernel_plan_emulated, kernel_free_emulated, kernel_scan_emulated},
    {0},
};

int kernel_cpu_has(const char *feature)
{
    (void)feature;
    return 0;
}
