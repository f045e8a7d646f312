/* Vectors in the extension that GCC and Clang share. `kernel.c` includes this once for each instruction
 * set, with VECTOR_BYTES, the size of a register: 16, 32 or 64. */

#ifndef HASHFINDER_SIMD_H
#define HASHFINDER_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the order of the candidates in a vector needs a little-endian CPU"
#endif

#define INLINE static inline __attribute__((always_inline))
/* For long functions: of several inlined into one, the compiler would keep too many values at once. */
#define OUTLINE static __attribute__((noinline))

/* Before a loop whose counter is to be a constant in each pass, for speed. Builds with sanitizers define it
 * as nothing: they take minutes to compile otherwise. */
#ifndef UNROLL
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 80")
#endif
#endif

enum { LANES = VECTOR_BYTES / 4, LONG_LANES = VECTOR_BYTES / 8 };

/* One register, of words of 32 or of 64 bits. The same memory is read as both, and word by word: this
 * needs -fno-strict-aliasing. */
typedef uint32_t words __attribute__((vector_size(VECTOR_BYTES)));
typedef uint64_t longs __attribute__((vector_size(VECTOR_BYTES)));

INLINE words rotate(words x, int n) { return x << n | x >> (32 - n); }

#ifdef __AVX512F__
/* One instruction for any function of three bits, given by its truth table. GCC does not always find it. */
#define TERNARY(table, x, y, z)                                                                    \
    (words) _mm512_ternarylogic_epi32((__m512i)(x), (__m512i)(y), (__m512i)(z), table)
#endif

/* The bits of x where mask has ones, those of y elsewhere. */
INLINE words blend(words mask, words x, words y)
{
#ifdef __AVX512F__
    return TERNARY(0xd8, y, x, mask);
#else
    return y ^ (mask & (x ^ y));
#endif
}

/* The bits that at least two of the three have. */
INLINE words majority(words x, words y, words z)
{
#ifdef __AVX512F__
    return TERNARY(0xe8, x, y, z);
#else
    return blend(x ^ y, z, y);
#endif
}

/* The bits that one or three of the three have. */
INLINE words parity(words x, words y, words z)
{
#ifdef __AVX512F__
    return TERNARY(0x96, x, y, z);
#else
    return x ^ y ^ z;
#endif
}

/* The bits of x where y and z differ. */
INLINE words differing(words x, words y, words z)
{
#ifdef __AVX512F__
    return TERNARY(0x60, x, y, z);
#else
    return x & (y ^ z);
#endif
}

#endif
