/* Which instruction sets the kernel was compiled for, and which of them the CPU has. */

#include "kernel.h"

#include <string.h>

kernel_scan kernel_scan_baseline;

static const char *const nothing[] = {NULL};

#ifdef __x86_64__

kernel_scan kernel_scan_avx2, kernel_scan_avx512, kernel_scan_avx512vbmi, kernel_scan_avx512bf16;

static const char *const avx2[] = {"avx2", NULL};
#define AVX512 "avx2", "avx512f", "avx512bw", "avx512dq", "avx512vl"
static const char *const avx512[] = {AVX512, NULL};
/* VBMI and BF16 are not used: they tell how much decoded code the CPU can hold, see setup.py. */
static const char *const avx512vbmi[] = {AVX512, "avx512vbmi", NULL};
static const char *const avx512bf16[] = {AVX512, "avx512vbmi", "avx512bf16", NULL};

const struct kernel_variant kernel_variants[] = {
    {"avx512bf16", avx512bf16, kernel_scan_avx512bf16},
    {"avx512vbmi", avx512vbmi, kernel_scan_avx512vbmi},
    {"avx512", avx512, kernel_scan_avx512},
    {"avx2", avx2, kernel_scan_avx2},
    {"baseline", nothing, kernel_scan_baseline},
    {NULL, NULL, NULL},
};

int kernel_cpu_has(const char *feature)
{
    __builtin_cpu_init();
    /* The built-in takes literals only. It also asks the operating system. */
#define HAS(name) (!strcmp(feature, name) && __builtin_cpu_supports(name))
    return HAS("avx2") || HAS("avx512f") || HAS("avx512bw") || HAS("avx512dq") || HAS("avx512vl")
           || HAS("avx512vbmi") || HAS("avx512bf16");
#undef HAS
}

#else

const struct kernel_variant kernel_variants[] = {
    {"baseline", nothing, kernel_scan_baseline},
    {NULL, NULL, NULL},
};

int kernel_cpu_has(const char *feature)
{
    (void)feature;
    return 0;
}

#endif
