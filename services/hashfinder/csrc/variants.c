/* Which instruction sets the kernel was compiled for, and which of them the CPU has. */

#include "kernel.h"

#include <string.h>

/* The functions of `kernel.c`, compiled as the variant `name`. */
#define DECLARE(name)                                                                              \
    struct kernel_plan *kernel_plan_##name(const struct kernel_query *, unsigned, unsigned);       \
    void kernel_free_##name(struct kernel_plan *);                                                 \
    bool kernel_scan_##name(const struct kernel_plan *, struct kernel_scan *, uint64_t, uint64_t,  \
                            uint64_t)
#define VARIANT(name, features)                                                                    \
    {#name, features, kernel_plan_##name, kernel_free_##name, kernel_scan_##name}

DECLARE(baseline);

static const char *const nothing[] = {NULL};

#ifdef __x86_64__

#include <cpuid.h>

DECLARE(avx2);
DECLARE(avx2sha);
DECLARE(avx512);

static const char *const avx2[] = {"avx2", NULL};
static const char *const avx2sha[] = {"avx2", "sha", NULL};
static const char *const avx512[] = {"avx2", "avx512f", "avx512bw", "avx512dq", "avx512vl", NULL};

const struct kernel_variant kernel_variants[] = {
    VARIANT(avx512, avx512),
    VARIANT(avx2sha, avx2sha),
    VARIANT(avx2, avx2),
    VARIANT(baseline, nothing),
    {0},
};

int kernel_cpu_has(const char *feature)
{
    unsigned eax, ebx = 0, ecx, edx;

    if (!strcmp(feature, "sha"))  /* Clang's built-in does not know it */
        return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && ebx & bit_SHA;
    __builtin_cpu_init();
    /* The built-in takes literals only. It also asks the operating system. */
#define HAS(name) (!strcmp(feature, name) && __builtin_cpu_supports(name))
    return HAS("avx2") || HAS("avx512f") || HAS("avx512bw") || HAS("avx512dq") || HAS("avx512vl");
#undef HAS
}

#else

const struct kernel_variant kernel_variants[] = {
    VARIANT(baseline, nothing),
    {0},
};

int kernel_cpu_has(const char *feature)
{
    (void)feature;
    return 0;
}

#endif
