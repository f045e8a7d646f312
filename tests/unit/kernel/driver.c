/* Holds the kernel to a plain reimplementation, in C alone, so that sanitizers and valgrind can watch.
 *
 *   driver SEED CANDIDATES
 *
 * searches at least so many random candidates for each hash, encoding and anchor, with each variant that
 * the CPU has. Prints a line for each variant; at the first difference, prints the scan and exits with
 * status 1. */

#include "kernel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SOON = 512,  /* how many candidates a halted scan may search: a group */
    DIGEST = 64,
    TEXT = 512,
    MESSAGE = KERNEL_AFFIX_LENGTH + KERNEL_SECRET_LENGTH + 256,
};

/* ---- Random draws ------------------------------------------------------------------------------ */

static uint64_t state;

/* SplitMix64: https://prng.di.unimi.it/splitmix64.c */
static uint64_t draw(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static unsigned below(unsigned end) { return (unsigned)(draw() % end); }

/* ---- Hashes: FIPS 180-4, word for word --------------------------------------------------------- */

static uint32_t left(uint32_t x, int n) { return x << n | x >> (32 - n); }
static uint32_t right(uint32_t x, int n) { return x >> n | x << (32 - n); }
static uint64_t right_64(uint64_t x, int n) { return x >> n | x << (64 - n); }

static uint64_t read(const uint8_t *bytes, int size)
{
    uint64_t value = 0;

    while (size--)
        value = value << 8 | *bytes++;
    return value;
}

static void sha1_block(uint64_t h[8], const uint8_t *block)
{
    uint32_t w[80], s[5];

    for (int t = 0; t < 80; t++)
        w[t] = t < 16 ? (uint32_t)read(block + 4 * t, 4)
                      : left(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (int i = 0; i < 5; i++)
        s[i] = (uint32_t)h[i];
    for (int t = 0; t < 80; t++) {
        uint32_t b = s[1], c = s[2], d = s[3];
        uint32_t f = t < 20 ? ((b & c) | (~b & d)) + 0x5a827999
                   : t < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                   : t < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                            : (b ^ c ^ d) + 0xca62c1d6;
        uint32_t next = left(s[0], 5) + f + s[4] + w[t];
        s[4] = d, s[3] = c, s[2] = left(b, 30), s[1] = s[0], s[0] = next;
    }
    for (int i = 0; i < 5; i++)
        h[i] = (uint32_t)(h[i] + s[i]);
}

static unsigned primes[80];
static uint64_t cube_roots[80], square_roots[8];  /* the first 64 bits of their fractions */

/* Return the first 64 bits of the fraction of the square or cube root of n, by halving. */
static uint64_t root_fraction(unsigned n, int power)
{
    unsigned whole = 0;
    uint64_t fraction = 0;

    while (power == 2 ? (whole + 1) * (whole + 1) <= n : (whole + 1) * (whole + 1) * (whole + 1) <= n)
        whole++;
    for (int bit = 63; bit >= 0; bit--) {
        /* In base 2^32, least significant digit first: x to the power against n. */
        uint64_t trial = fraction | UINT64_C(1) << bit;
        uint64_t x[3] = {trial & 0xffffffff, trial >> 32, whole}, product[9] = {1};
        for (int i = 0; i < power; i++) {
            uint64_t next[12] = {0};
            for (int j = 0; j < 9; j++)
                for (int k = 0; k < 3; k++) {
                    uint64_t part = product[j] * x[k];
                    next[j + k] += part & 0xffffffff;
                    next[j + k + 1] += part >> 32;
                }
            for (int j = 0; j < 11; j++)
                next[j + 1] += next[j] >> 32, next[j] &= 0xffffffff;
            memcpy(product, next, sizeof product);
        }
        if (product[2 * power] < n)
            fraction = trial;
    }
    return fraction;
}

static void make_constants(void)
{
    unsigned count = 0;

    for (unsigned n = 2; count < 80; n++) {
        unsigned divisor = 2;
        while (n % divisor)
            divisor++;
        if (divisor == n)
            primes[count++] = n;
    }
    for (int i = 0; i < 80; i++)
        cube_roots[i] = root_fraction(primes[i], 3);
    for (int i = 0; i < 8; i++)
        square_roots[i] = root_fraction(primes[i], 2);
}

static void sha256_block(uint64_t h[8], const uint8_t *block)
{
    uint32_t w[64], s[8];

    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)read(block + 4 * t, 4);
    for (int t = 16; t < 64; t++)
        w[t] = (right(w[t - 2], 17) ^ right(w[t - 2], 19) ^ w[t - 2] >> 10) + w[t - 7]
               + (right(w[t - 15], 7) ^ right(w[t - 15], 18) ^ w[t - 15] >> 3) + w[t - 16];
    for (int i = 0; i < 8; i++)
        s[i] = (uint32_t)h[i];
    for (int t = 0; t < 64; t++) {
        uint32_t one = s[7] + (right(s[4], 6) ^ right(s[4], 11) ^ right(s[4], 25))
                       + ((s[4] & s[5]) ^ (~s[4] & s[6])) + (uint32_t)(cube_roots[t] >> 32) + w[t];
        uint32_t two = (right(s[0], 2) ^ right(s[0], 13) ^ right(s[0], 22))
                       + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++)
        h[i] = (uint32_t)(h[i] + s[i]);
}

static void sha512_block(uint64_t h[8], const uint8_t *block)
{
    uint64_t w[80], s[8];

    for (int t = 0; t < 16; t++)
        w[t] = read(block + 8 * t, 8);
    for (int t = 16; t < 80; t++)
        w[t] = (right_64(w[t - 2], 19) ^ right_64(w[t - 2], 61) ^ w[t - 2] >> 6) + w[t - 7]
               + (right_64(w[t - 15], 1) ^ right_64(w[t - 15], 8) ^ w[t - 15] >> 7) + w[t - 16];
    memcpy(s, h, sizeof s);
    for (int t = 0; t < 80; t++) {
        uint64_t one = s[7] + (right_64(s[4], 14) ^ right_64(s[4], 18) ^ right_64(s[4], 41))
                       + ((s[4] & s[5]) ^ (~s[4] & s[6])) + cube_roots[t] + w[t];
        uint64_t two = (right_64(s[0], 28) ^ right_64(s[0], 34) ^ right_64(s[0], 39))
                       + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++)
        h[i] += s[i];
}

static const struct {
    unsigned block, word, words;
    void (*add)(uint64_t *, const uint8_t *);
} hashes[] = {{64, 4, 5, sha1_block}, {64, 4, 8, sha256_block}, {128, 8, 8, sha512_block}};

/* Hash the message, which has room for its padding; return the digest's length. */
static unsigned hash(enum kernel_hash which, uint8_t *message, size_t length, uint8_t digest[DIGEST])
{
    static const uint32_t initial[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    unsigned block = hashes[which].block, word = hashes[which].word, words = hashes[which].words;
    size_t total = (length + 1 + block / 8 + block - 1) / block * block;
    uint64_t h[8];

    for (int i = 0; i < 8; i++)
        h[i] = which == KERNEL_SHA1 ? i < 5 ? initial[i] : 0 : square_roots[i] >> (64 - 8 * word);
    memset(message + length, 0, total - length);
    message[length] = 0x80;
    for (int i = 0; i < 8; i++)
        message[total - 1 - i] = (uint8_t)((uint64_t)length * 8 >> 8 * i);
    for (size_t i = 0; i < total; i += block)
        hashes[which].add(h, message + i);
    for (unsigned i = 0; i < word * words; i++)
        digest[i] = (uint8_t)(h[i / word] >> 8 * (word - 1 - i % word));
    return word * words;
}

/* ---- What a query means ------------------------------------------------------------------------ */

static const struct encoding {
    const char *symbols;
    unsigned bits;
    unsigned padding;  /* the text's length is a multiple of it; 0: no padding */
    bool folds;
} encodings[] = {
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6, 4, true},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 6, 0, true},
    {"0123456789abcdef", 4, 0, true},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5, 8, true},
    {"01", 1, 0, false},
};

enum { HASHES = 3, ENCODINGS = 5, ANCHORS = 3 };  /* anywhere, start, end */

struct search {
    struct kernel_query query;
    const struct encoding *encoding;
    char name[TEXT];
    char wildcard;          /* 0 for none */
    bool case_sensitive;
    struct kernel_symbols symbols[TEXT];
    uint8_t alphabet[256];
    uint8_t *prefix, *suffix;
};

static char fold(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

static bool matches(const struct search *search, char wanted, char c)
{
    if (wanted && wanted == search->wildcard)
        return true;
    return search->case_sensitive ? wanted == c : fold(wanted) == fold(c);
}

/* Write the secret at a position; return its length. */
static unsigned secret_at(const struct kernel_query *query, uint64_t position, uint8_t *secret)
{
    uint8_t reversed[KERNEL_SECRET_LENGTH];
    unsigned length = 0, size = query->alphabet_size;

    if (query->secret_length == KERNEL_ANY_LENGTH)
        for (; position; position = (position - 1) / size)
            reversed[length++] = query->alphabet[(position - 1) % size];
    else
        for (; length < (unsigned)query->secret_length; position /= size)
            reversed[length++] = query->alphabet[position % size];
    for (unsigned i = 0; i < length; i++)
        secret[i] = reversed[length - 1 - i];
    return length;
}

/* Write the text of the candidate at a position; return its length. */
static unsigned text_at(const struct search *search, uint64_t position, char text[TEXT])
{
    static uint8_t message[MESSAGE];
    const struct kernel_query *query = &search->query;
    const struct encoding *encoding = search->encoding;
    uint8_t digest[DIGEST];
    unsigned length = 0;

    if (query->prefix_length)
        memcpy(message, query->prefix, query->prefix_length);
    size_t end = query->prefix_length + secret_at(query, position, message + query->prefix_length);
    if (query->suffix_length)
        memcpy(message + end, query->suffix, query->suffix_length);
    unsigned bits = 8 * hash(query->hash, message, end + query->suffix_length, digest);
    for (unsigned bit = 0; bit < bits; length++) {
        unsigned value = 0;
        for (unsigned i = 0; i < encoding->bits; i++, bit++)
            value = 2 * value + (bit < bits ? digest[bit / 8] >> (7 - bit % 8) & 1 : 0);
        text[length] = encoding->symbols[value];
    }
    while (encoding->padding && length % encoding->padding)
        text[length++] = '=';
    return length;
}

static unsigned distance_at(const struct search *search, uint64_t position)
{
    const struct kernel_query *query = &search->query;
    char text[TEXT];
    unsigned best = query->length;

    text_at(search, position, text);
    for (unsigned offset = query->first_offset; offset <= query->last_offset; offset++) {
        unsigned distance = 0;
        for (unsigned i = 0; i < query->length && distance < best; i++)
            distance += !matches(search, search->name[i], text[offset + i]);
        best = distance < best ? distance : best;
    }
    return best;
}

/* ---- Drawing a search -------------------------------------------------------------------------- */

static size_t draw_affix_length(void)
{
    switch (below(16)) {
    default: return 0;
    case 0 ... 2: return below(70);
    case 3 ... 6: return 44 + below(22);  /* the secret is around the end of a block */
    case 7: return 108 + below(22);
    case 8: return 178 + below(22);
    case 9: return below(20) ? below(140) : below(1200);
    }
}

static uint8_t *draw_bytes(size_t length)
{
    uint8_t *bytes = malloc(length ? length : 1);  /* exactly: what is read beyond is seen */

    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)draw();
    return bytes;
}

static void draw_alphabet(struct search *search)
{
    static const unsigned sizes[] = {2, 3, 4, 8, 10, 16, 17, 33, 49, 62, 65, 255};
    unsigned choice = below(16);

    for (unsigned i = 0; i < 256; i++)
        search->alphabet[i] = (uint8_t)i;
    for (unsigned i = choice < 4 ? 256 : 0; i < 256; i++) {
        unsigned other = i + below(256 - i);
        uint8_t byte = search->alphabet[i];
        search->alphabet[i] = search->alphabet[other];
        search->alphabet[other] = byte;
    }
    search->query.alphabet_size = choice < 4 ? 256 : choice < 12 ? sizes[below(12)] : 2 + below(255);
    search->query.alphabet = search->alphabet;
}

/* Return the last position that there is. */
static uint64_t last_position(const struct kernel_query *query)
{
    unsigned __int128 count = 1;

    if (query->secret_length == KERNEL_ANY_LENGTH)
        return UINT64_MAX;
    for (int i = 0; i < query->secret_length && count >> 64 == 0; i++)
        count *= query->alphabet_size;
    return count >> 64 ? UINT64_MAX : (uint64_t)(count - 1);
}

static uint64_t draw_position(const struct kernel_query *query)
{
    uint64_t last = last_position(query), first = 0, size = 1;

    for (unsigned length = below(70); length && last - first >= size; length--) {
        first += size;
        if (__builtin_mul_overflow(size, query->alphabet_size, &size))
            break;
    }
    switch (below(4)) {
    case 0: return last - first > 700 ? first + below(700) : last / 3;
    case 1: return first > 700 ? first - below(700) : last - (last < 2000 ? 0 : below(2000));
    case 2: return last - (last < 2000 ? last / 2 : below(2000));
    default: return last == UINT64_MAX ? draw() : draw() % (last + 1);
    }
}

static void draw_scheme(struct search *search, unsigned which, unsigned encoding)
{
    struct kernel_query *query = &search->query;

    *query = (struct kernel_query){.hash = which};
    search->encoding = &encodings[encoding];
    query->symbol_bits = search->encoding->bits;
    query->prefix_length = draw_affix_length();
    query->suffix_length = draw_affix_length();
    if (below(2000) == 0)
        query->prefix_length = KERNEL_AFFIX_LENGTH - query->suffix_length;
    else if (below(4000) == 0)
        query->suffix_length = KERNEL_AFFIX_LENGTH - query->prefix_length;
    query->prefix = search->prefix = draw_bytes(query->prefix_length);
    query->suffix = search->suffix = draw_bytes(query->suffix_length);
    draw_alphabet(search);
    query->secret_length = KERNEL_ANY_LENGTH;
    if (below(3) == 0)
        query->secret_length = below(8) ? (int)below(70) : (int)below(KERNEL_SECRET_LENGTH + 1);
}

/* Draw the name: a part of a text of the range, with some characters changed. */
static void draw_name(struct search *search, unsigned anchor, uint64_t near)
{
    struct kernel_query *query = &search->query;
    char text[TEXT];
    unsigned length = text_at(search, near, text), symbols = length;

    query->text_length = length;
    while (text[symbols - 1] == '=')
        symbols--;
    unsigned end = anchor == 2 ? symbols : length;
    query->length = 1 + below(below(3) ? end < 12 ? end : 12 : end);
    query->first_offset = anchor == 2 ? end - query->length : 0;
    query->last_offset = anchor == 1 ? 0 : end - query->length;
    unsigned offset = query->first_offset + below(query->last_offset - query->first_offset + 1);
    memcpy(search->name, text + offset, query->length);
    search->wildcard = below(3) ? 0 : '?';
    search->case_sensitive = below(2);
    for (unsigned changes = below(9); changes; changes--)
        search->name[below(query->length)] = below(3) ? search->encoding->symbols[below(1u << query->symbol_bits)]
                                                      : "a7+/=\0?-_Z"[below(10)];
    for (unsigned i = 0; i < query->length; i++) {
        if (!search->case_sensitive && below(2))
            search->name[i] = fold(search->name[i]);
        search->symbols[i] = (struct kernel_symbols){.padding = matches(search, search->name[i], '=')};
        for (unsigned value = 0; value < 1u << query->symbol_bits; value++)
            if (matches(search, search->name[i], search->encoding->symbols[value]))
                search->symbols[i].values |= UINT64_C(1) << value;
    }
    query->name = search->symbols;
    query->ideal_distance = below(2) ? 0 : below(query->length + 1);
    query->result_distance = query->ideal_distance + below(query->length + 1 - query->ideal_distance);
}

/* ---- Comparing --------------------------------------------------------------------------------- */

/* The contract of `kernel_scan`, position by position, but for `halt`. */
static void expect(const struct search *search, struct kernel_scan *scan, const unsigned *distances,
                   uint64_t first, uint64_t last)
{
    for (scan->searched = first;; scan->searched++) {
        unsigned distance = distances[scan->searched - first];
        if (distance < scan->best_distance) {
            scan->best_distance = distance;
            scan->best_position = scan->searched;
        }
        if (distance <= search->query.result_distance)
            scan->results[scan->count++] = scan->searched;
        scan->found = distance <= search->query.ideal_distance;
        if (scan->found || scan->count == scan->capacity || scan->searched == last)
            return;
    }
}

static void fail(const char *variant, const struct search *search, uint64_t first, uint64_t last,
                 const struct kernel_scan *expected, const struct kernel_scan *actual)
{
    const struct kernel_query *q = &search->query;

    printf("%s differs: %" PRIu64 " to %" PRIu64 ", hash %d, bits %u, name '%.*s', wildcard %d, cased %d\n"
           "prefix %zu, suffix %zu, alphabet %u, secret length %d, offsets %u %u, distances %u %u\n",
           variant, first, last, q->hash, q->symbol_bits, (int)q->length, search->name,
           search->wildcard, search->case_sensitive, q->prefix_length, q->suffix_length,
           q->alphabet_size, q->secret_length, q->first_offset, q->last_offset, q->ideal_distance,
           q->result_distance);
    for (int i = 0; i < 2; i++) {
        const struct kernel_scan *scan = i ? actual : expected;
        printf("%s: searched %" PRIu64 ", results %zu of %zu, found %d, best %u at %" PRIu64 "\n",
               i ? "actual" : "expected", scan->searched, scan->count, scan->capacity, scan->found,
               scan->best_distance, scan->best_position);
    }
    exit(1);
}

static bool is_supported(const struct kernel_variant *variant)
{
    for (const char *const *feature = variant->features; *feature; feature++)
        if (!kernel_cpu_has(*feature))
            return false;
    return true;
}

/* Scan with a variant, in one go or in two, halted before it begins or not at all. */
static void compare(const struct kernel_variant *variant, const struct search *search, uint64_t first,
                    uint64_t last, const unsigned *distances, uint64_t choice)
{
    const struct kernel_query *query = &search->query;
    size_t span = (size_t)(last - first) + 1;
    uint8_t halt = choice % 4 == 0;
    struct kernel_scan expected = {.halt = halt || choice / 4 % 2 ? &halt : NULL,
                                   .capacity = choice / 8 % 2 ? span : 1 + choice / 16 % 80,
                                   .best_distance = (unsigned)(choice / 2048 % (query->length + 2))};
    struct kernel_scan actual = expected;
    struct kernel_scanner *scanner = kernel_prepare(variant, query);
    uint64_t initial = expected.best_distance;

    expected.results = malloc(expected.capacity * sizeof *expected.results);
    actual.results = malloc(actual.capacity * sizeof *actual.results);
    if (kernel_last_position(scanner) != last_position(query))
        fail(variant->name, search, first, last, &expected, &actual);
    bool done = kernel_scan(scanner, &actual, first, last);
    if (halt && actual.searched >= first && actual.searched < last && actual.searched - first < SOON)
        last = actual.searched;
    expect(search, &expected, distances, first, last);
    if (!done || expected.searched != actual.searched || expected.count != actual.count
        || expected.found != actual.found || expected.best_distance != actual.best_distance
        || (expected.best_distance < initial && expected.best_position != actual.best_position)
        || memcmp(expected.results, actual.results, expected.count * sizeof *expected.results))
        fail(variant->name, search, first, last, &expected, &actual);
    kernel_release(scanner);
    free(expected.results);
    free(actual.results);
}

/* Draw a search and compare; return how many candidates. */
static uint64_t compare_all(unsigned which, unsigned encoding, unsigned anchor)
{
    static struct search search;
    static unsigned distances[4096];

    draw_scheme(&search, which, encoding);
    uint64_t first = draw_position(&search.query), last = last_position(&search.query);
    size_t length = search.query.prefix_length + search.query.suffix_length;
    uint64_t span = below(length > 2000 ? 40 : length > 300 ? 300 : 4096);
    if (last - first > span)
        last = first + span;
    draw_name(&search, anchor, first + draw() % (last - first + 1));
    for (uint64_t position = first; position - first <= last - first; position++) {
        distances[position - first] = distance_at(&search, position);
        if (position == last)
            break;
    }
    uint64_t choice = draw();
    for (const struct kernel_variant *variant = kernel_variants; variant->name; variant++)
        if (is_supported(variant))
            compare(variant, &search, first, last, distances, choice);
    free(search.prefix);
    free(search.suffix);
    return last - first + 1;
}

int main(int count, char **arguments)
{
    uint64_t total = 0;

    if (count != 3) {
        fprintf(stderr, "usage: driver SEED CANDIDATES\n");
        return 2;
    }
    make_constants();
    state = strtoull(arguments[1], NULL, 10);
    for (unsigned which = 0; which < HASHES; which++)
        for (unsigned encoding = 0; encoding < ENCODINGS; encoding++)
            for (unsigned anchor = 0; anchor < ANCHORS; anchor++)
                for (uint64_t n = 0; n < strtoull(arguments[2], NULL, 10);) {
                    uint64_t candidates = compare_all(which, encoding, anchor);
                    n += candidates;
                    total += candidates;
                }
    for (const struct kernel_variant *variant = kernel_variants; variant->name; variant++)
        if (is_supported(variant))
            printf("%s: %" PRIu64 " candidates agree\n", variant->name, total);
    return 0;
}
