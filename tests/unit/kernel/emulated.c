/* The variants for vectors of 64 bytes, built without AVX-512: the compiler makes a vector of several
 * registers. So any CPU runs what is theirs alone: the layout, the transposition, the streams. */

#include "kernel.h"

kernel_scan kernel_scan_1, kernel_scan_2, kernel_scan_4;

static const char *const nothing[] = {NULL};

const struct kernel_variant kernel_variants[] = {
    {"1 stream", nothing, kernel_scan_1},
    {"2 streams", nothing, kernel_scan_2},
    {"4 streams", nothing, kernel_scan_4},
    {NULL, NULL, NULL},
};

int kernel_cpu_has(const char *feature)
{
    (void)feature;
    return 0;
}
