/* Finds the candidates of a group whose text has the name within a distance, by logic on planes: no text is ever
 * made. For each place in the text and each different character of the name, a *match plane* has a bit for each
 * candidate: whether the character matches its symbol at that place. For each offset, the matches are counted by
 * such logic, and compared with the number that the distance requires. */

#ifndef HASHFINDER_MATCHER_H
#define HASHFINDER_MATCHER_H

#include "layout.h"

enum {
    STEP = 7,         /* matches that are added at once: their sum has three bits */
    SYMBOL_BITS = 6,  /* the most of any encoding */
};

/* A different character of the name that matches one or two symbols. */
struct letter {
    uint32_t start;           /* of its match planes */
    uint16_t first, last;     /* where it is in the name */
    uint8_t different;        /* bits of a symbol in which its two values differ */
    uint8_t bit[SYMBOL_BITS]; /* the bits of a symbol: those in which the values agree, then the others */
    uint8_t one[SYMBOL_BITS]; /* the bits of one of the two values there */
};

/* The name of a plan, and where it may be. */
struct pattern {
    unsigned length;
    unsigned bits;                  /* of a symbol */
    unsigned offsets;
    unsigned first_place, places;   /* in the text: those that the name can reach */
    unsigned symbols;               /* in the text: the places before any padding */
    uint64_t all;                   /* values of a symbol */
    uint32_t touched;               /* the 32-bit words of the digest that these places are in */
    unsigned classes;               /* different characters; the first one fills the last STEP, and matches nothing */
    struct kernel_symbols class[KERNEL_TEXT_LENGTH + 1];
    uint32_t start[KERNEL_TEXT_LENGTH + STEP - 1]; /* of a character's match planes, for the first offset */
    unsigned letters;               /* in the order of their first characters */
    struct letter letter[KERNEL_TEXT_LENGTH];
};

/* Return the number of the class of the name's character i, which is added if it is new. */
static unsigned find_class(struct pattern *pattern, struct kernel_symbols symbols, unsigned i)
{
    unsigned c = 0;

    symbols.values &= pattern->all;
    while (c < pattern->classes
           && (pattern->class[c].values != symbols.values
               || pattern->class[c].padding != symbols.padding))
        c++;
    for (unsigned k = 0; k < pattern->letters; k++)
        if (pattern->letter[k].start == c * pattern->places)
            pattern->letter[k].last = (uint16_t)i;
    if (c < pattern->classes)
        return c;
    pattern->class[pattern->classes++] = symbols;
    if (symbols.values && symbols.values != pattern->all) {
        struct letter *letter = &pattern->letter[pattern->letters++];
        *letter = (struct letter){.start = c * pattern->places, .first = (uint16_t)i, .last = (uint16_t)i};
        unsigned one = (unsigned)__builtin_ctzll(symbols.values);
        unsigned differ = one ^ (63 - (unsigned)__builtin_clzll(symbols.values));
        letter->different = (uint8_t)__builtin_popcount(differ);
        unsigned agreed = 0, different = pattern->bits - letter->different;
        for (unsigned bit = 0; bit < pattern->bits; bit++) {
            unsigned shift = pattern->bits - 1 - bit, i = differ >> shift & 1 ? different++ : agreed++;
            letter->bit[i] = (uint8_t)bit;
            letter->one[i] = one >> shift & 1;
        }
    }
    return c;
}

static struct pattern *make_pattern(const struct kernel_query *query, unsigned digest_bits)
{
    struct pattern *pattern = malloc(sizeof *pattern);

    if (!pattern)
        return NULL;
    pattern->length = query->length;
    pattern->bits = query->symbol_bits;
    pattern->offsets = query->last_offset - query->first_offset + 1;
    pattern->first_place = query->first_offset;
    pattern->places = query->last_offset + query->length - query->first_offset;
    pattern->symbols = (digest_bits + query->symbol_bits - 1) / query->symbol_bits;
    pattern->all = kernel_all_values(query->symbol_bits);
    pattern->touched = 0;
    pattern->classes = 1;
    pattern->class[0] = (struct kernel_symbols){0};
    pattern->letters = 0;
    memset(pattern->start + query->length, 0, (STEP - 1) * sizeof *pattern->start);
    for (unsigned i = 0; i < query->length; i++)
        pattern->start[i] = find_class(pattern, query->name[i], i) * pattern->places + i;
    for (unsigned place = 0; place < pattern->places; place++) {
        unsigned bit = (pattern->first_place + place) * pattern->bits;
        for (unsigned i = bit; i < bit + pattern->bits && i < digest_bits; i++)
            pattern->touched |= (uint32_t)1 << i / 32;
    }
    return pattern;
}

/* The size of the match planes. */
static size_t match_size(const struct pattern *pattern)
{
    return pattern->classes * pattern->places * sizeof(words);
}

/* Set the match planes that are the same for all groups: of characters that match anything or nothing, and
 * at the padding's places. */
static void set_constant_matches(const struct pattern *pattern, words *match)
{
    const words zero = {0};

    for (unsigned c = 0; c < pattern->classes; c++)
        for (unsigned place = 0; place < pattern->places; place++) {
            const struct kernel_symbols *symbols = &pattern->class[c];
            bool padding = pattern->first_place + place >= pattern->symbols;
            bool matches = padding ? symbols->padding : symbols->values;
            match[c * pattern->places + place] = matches ? ~zero : zero;
        }
}

/* Set a letter's match planes, for `places` places, from the planes of the symbols' bits. The letter's two values are
 * the same in `agreed` bits and differ in `different` ones. Of these, the last one selects a value, and the others must
 * be those of this value. Both numbers are literals. */
INLINE void match_letter(const struct letter *letter, const words *planes, words *match, size_t places, int agreed,
                         int different)
{
    const words zero = {0};
    const int bits = agreed + different, last = bits - 1;
    const words *plane[SYMBOL_BITS];
    words other[SYMBOL_BITS];  /* what a bit must not be; where values differ: if the last bit is zero */

    for (int i = 0; i < bits; i++) {
        plane[i] = planes + letter->bit[i];
        other[i] = zero - (i < agreed ? !letter->one[i] : letter->one[i] == letter->one[last]);
    }
    for (size_t place = 0; place < places; place++) {
        const size_t at = place * (size_t)bits;
        words is = ~zero, which = plane[last][at];
        UNROLL
        for (int i = 0; i < bits - (different > 0); i++)
            is = differing(is, plane[i][at], i < agreed ? other[i] : which ^ other[i]);
        match[place] = is;
    }
}

/* Set the match planes of a group. The number of bits is a literal. */
INLINE void match_symbols(const struct pattern *pattern, const words *planes, words *match, int bits)
{
    const unsigned symbols = pattern->symbols > pattern->first_place ? pattern->symbols - pattern->first_place : 0;

    for (const struct letter *letter = pattern->letter; letter < pattern->letter + pattern->letters; letter++) {
        unsigned place = letter->first, end = letter->last + pattern->offsets;
        end = end < symbols ? end : symbols;
        const words *begin = planes + (pattern->first_place + place) * (unsigned)bits;
        words *set = match + letter->start + place;
        size_t places = place < end ? end - place : 0;
        switch (letter->different) {
#define CASE(n) case n: if (n <= bits) match_letter(letter, begin, set, places, bits - n, n); break
        CASE(0); CASE(1); CASE(2); CASE(3); CASE(4); CASE(5); CASE(6);
#undef CASE
        }
    }
}

OUTLINE void match_group(const struct pattern *pattern, const words *planes, words *match)
{
    switch (pattern->bits) {
    case 1: match_symbols(pattern, planes, match, 1); break;
    case 4: match_symbols(pattern, planes, match, 4); break;
    case 5: match_symbols(pattern, planes, match, 5); break;
    default: match_symbols(pattern, planes, match, 6);
    }
}

/* Add three bits: return the sum's lower bit, set the upper one. */
INLINE words add(words x, words y, words z, words *carry)
{
    *carry = majority(x, y, z);
    return parity(x, y, z);
}

/* Add up the matches of the characters `from` to `from + 6` of the name. The lowest bit of the sum is first. */
INLINE void count_step(const struct pattern *pattern, const words *match, unsigned from, words sum[3])
{
    words x[STEP], carry_0, carry_1, carry_2;

    UNROLL
    for (unsigned i = 0; i < STEP; i++)
        x[i] = match[pattern->start[from + i]];
    words s = add(x[0], x[1], x[2], &carry_0);
    s = add(s, x[3], x[4], &carry_1);
    sum[0] = add(s, x[5], x[6], &carry_2);
    sum[1] = add(carry_0, carry_1, carry_2, &sum[2]);
}

/* Return the candidates whose text has the name within `distance`. The length has at most `digits` bits, a literal. */
INLINE words count(const struct pattern *pattern, const words *match, unsigned distance, int digits)
{
    const words zero = {0};
    unsigned need = pattern->length - distance;
    words hits = zero;

    for (unsigned offset = 0; offset < pattern->offsets; offset++, match++) {
        words sum[10] = {zero}, enough = ~zero;
        count_step(pattern, match, 0, sum);
        UNROLL
        for (int k = 3; k < digits; k++)
            sum[k] = zero;
        if (digits > 3)
            for (unsigned from = STEP; from < pattern->length; from += STEP) {
                words more[3], carry = zero;
                count_step(pattern, match, from, more);
                UNROLL
                for (int k = 0; k < digits; k++)
                    sum[k] = add(sum[k], k < 3 ? more[k] : zero, carry, &carry);
            }
        /* Compare with `need`, from the lowest bit up. Where `need` has a one, the sum must have a one too. Where
         * it has a zero, a one in the sum is enough, whatever the lower bits are. */
        UNROLL
        for (int k = 0; k < digits; k++)
            enough = need >> k & 1 ? enough & sum[k] : enough | sum[k];
        hits |= enough;
    }
    return hits;
}

OUTLINE words find_hits(const struct pattern *pattern, const words *match, unsigned distance)
{
    if (pattern->length <= STEP)
        return count(pattern, match, distance, 3);
    if (pattern->length < 32)
        return count(pattern, match, distance, 5);
    return count(pattern, match, distance, 10);
}

#endif
