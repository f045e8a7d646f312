/* Holds the kernel to a plain reimplementation, in C alone, so that sanitizers and valgrind can watch.
 *
 *   driver SEED CANDIDATES
 *
 * searches at least so many random candidates with each variant that the CPU has. Prints a line for
 * each; at the first difference, prints the scan and exits with status 1. */

#include "kernel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOON = 1024 };  /* how many candidates a halted scan may search: a group of each length */

static const char SYMBOLS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static uint64_t state;

/* SplitMix64: https://prng.di.unimi.it/splitmix64.c */
static uint64_t draw(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

/* FIPS 180-4, for one block. */
static void hash(const uint8_t *secret, unsigned length, uint8_t digest[20])
{
    static const uint32_t initial[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t message[64] = {0};
    uint32_t w[80], s[5];

    for (unsigned i = 0; i < length; i++)
        message[i] = secret[i];
    message[length] = 0x80;
    message[63] = (uint8_t)(8 * length);
    for (int t = 0; t < 80; t++)
        w[t] = t < 16 ? (uint32_t)message[4 * t] << 24 | (uint32_t)message[4 * t + 1] << 16
                            | (uint32_t)message[4 * t + 2] << 8 | message[4 * t + 3]
                      : rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    memcpy(s, initial, sizeof s);
    for (int t = 0; t < 80; t++) {
        uint32_t b = s[1], c = s[2], d = s[3];
        uint32_t f = t < 20 ? ((b & c) | (~b & d)) + 0x5a827999
                   : t < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                   : t < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                            : (b ^ c ^ d) + 0xca62c1d6;
        uint32_t next = rotate(s[0], 5) + f + s[4] + w[t];
        s[4] = d, s[3] = c, s[2] = rotate(b, 30), s[1] = s[0], s[0] = next;
    }
    for (int i = 0; i < 20; i++)
        digest[i] = (uint8_t)((s[i / 4] + initial[i / 4]) >> (24 - i % 4 * 8));
}

/* The base64 text of the hash of the secret at a position, in lower case. */
static void text_at(uint64_t position, char text[28])
{
    uint64_t first = 0, size = 1;
    unsigned length = 0;
    uint8_t secret[8], digest[21] = {0};

    for (; length < 8 && position - first >= size; length++, size *= 256)
        first += size;
    for (unsigned i = 0; i < length; i++)
        secret[i] = (uint8_t)((position - first) >> 8 * (length - 1 - i));
    hash(secret, length, digest);
    for (int i = 0; i < 27; i++) {
        char symbol = SYMBOLS[(digest[i * 6 / 8] << 8 | digest[i * 6 / 8 + 1]) >> (10 - i * 6 % 8) & 63];
        text[i] = symbol >= 'A' && symbol <= 'Z' ? (char)(symbol + 32) : symbol;
    }
    text[27] = '=';
}

static unsigned distance_at(uint64_t position, const struct kernel_query *query)
{
    char text[28];
    unsigned best = query->length;

    text_at(position, text);
    for (unsigned offset = 0; offset + query->length <= 28; offset++) {
        unsigned distance = 0;
        for (unsigned i = 0; i < query->length; i++)
            distance += query->pattern[i] != (uint8_t)text[offset + i];
        best = distance < best ? distance : best;
    }
    return best;
}

/* The contract of `kernel_scan`, position by position, but for `halt`. */
static struct kernel_outcome expect(const struct kernel_query *query, uint64_t first, uint64_t last,
                                    uint64_t *results, size_t capacity)
{
    struct kernel_outcome outcome = {.searched = first, .best_distance = query->best_distance};

    for (;; outcome.searched++) {
        unsigned distance = distance_at(outcome.searched, query);
        if (distance < outcome.best_distance) {
            outcome.best_distance = distance;
            outcome.best_position = outcome.searched;
        }
        if (distance <= query->result_distance)
            results[outcome.count++] = outcome.searched;
        outcome.found = distance <= query->ideal_distance;
        if (outcome.found || outcome.count == capacity || outcome.searched == last)
            return outcome;
    }
}

static uint64_t draw_position(void)
{
    unsigned length = draw() % 9;
    uint64_t first = 0;

    for (unsigned i = 0; i < length; i++)
        first = 256 * first + 1;
    switch (draw() % 3) {
    case 0: return first + draw() % 700;
    case 1: return first > 700 ? first - draw() % 700 : UINT64_MAX - draw() % 2000;
    default: return length == 8 ? draw() : first + draw() % (UINT64_C(1) << 8 * length);
    }
}

/* Scan at random with the kernel and the reference, halted before it begins or not at all; return how
 * many candidates. */
static uint64_t compare(const struct kernel_variant *variant)
{
    uint64_t first = draw_position(), span = draw() % 3000, last, *results[2];
    char text[28];
    struct kernel_query query = {.length = 1 + draw() % 28};

    last = UINT64_MAX - first < span ? UINT64_MAX : first + span;
    text_at(first + draw() % (last - first + 1), text);
    uint8_t *pattern = malloc(query.length);  /* exactly: what is read beyond is seen */
    memcpy(pattern, text + draw() % (29 - query.length), query.length);
    for (unsigned changes = draw() % 9; changes; changes--)
        pattern[draw() % query.length] = (uint8_t)"a7+/=\0z"[draw() % 7];
    query.pattern = pattern;
    query.ideal_distance = draw() % 2 ? 0 : draw() % (query.length + 1);
    query.result_distance = query.ideal_distance + draw() % (query.length + 1 - query.ideal_distance);
    query.best_distance = draw() % (query.length + 2);
    size_t capacity = draw() % 2 ? span + 1 : 1 + draw() % 80;
    for (int i = 0; i < 2; i++)
        results[i] = malloc(capacity * sizeof *results[i]);
    uint8_t halt = draw() % 4 == 0;
    query.halt = halt || draw() % 2 ? &halt : NULL;
    struct kernel_outcome o = variant->scan(&query, first, last, results[1], capacity);
    if (halt && o.searched >= first && o.searched < last && o.searched - first < SOON)
        last = o.searched;
    struct kernel_outcome e = expect(&query, first, last, results[0], capacity);
    if (e.searched != o.searched || e.count != o.count || e.found != o.found
        || e.best_distance != o.best_distance
        || (e.best_distance < query.best_distance && e.best_position != o.best_position)
        || memcmp(results[0], results[1], e.count * sizeof *results[0])) {
        printf("%s differs: %" PRIu64 " to %" PRIu64 ", pattern", variant->name, first, last);
        for (unsigned i = 0; i < query.length; i++)
            printf(" %02x", pattern[i]);
        printf(", distances %u %u %u, capacity %zu, halt %d\n", query.ideal_distance,
               query.result_distance, query.best_distance, capacity, halt);
        exit(1);
    }
    free(pattern);
    free(results[0]);
    free(results[1]);
    return e.searched - first + 1;
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fprintf(stderr, "usage: driver SEED CANDIDATES\n");
        return 2;
    }
    for (const struct kernel_variant *variant = kernel_variants; variant->name; variant++) {
        uint64_t candidates = 0;
        int missing = 0;
        for (const char *const *feature = variant->features; *feature; feature++)
            missing |= !kernel_cpu_has(*feature);
        if (missing)
            continue;
        state = strtoull(arguments[1], NULL, 10);
        while (candidates < strtoull(arguments[2], NULL, 10))
            candidates += compare(variant);
        printf("%s: %" PRIu64 " candidates agree\n", variant->name, candidates);
    }
    return 0;
}
