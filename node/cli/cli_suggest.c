#include "node/cli/cli_parse.h"

#define WORD_MAX     48U
#define DISTANCE_MAX 2U

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;

    return m < c ? m : c;
}

/* Insertions, deletions, replacements and swaps of neighbours between two
 * words (optimal string alignment); more than DISTANCE_MAX for long ones. */
static size_t word_distance(const char *a,
                            size_t a_size,
                            const char *b,
                            size_t b_size)
{
    size_t rows[3][WORD_MAX + 1]; /* Of the dynamic programme; three rotate. */

    if (a_size > WORD_MAX || b_size > WORD_MAX) {
        return DISTANCE_MAX + 1;
    }
    for (size_t j = 0; j <= b_size; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        const size_t *above2 = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;

            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1] && above2[j - 2] + 1 < row[j]) {
                row[j] = above2[j - 2] + 1;
            }
        }
    }
    return rows[a_size % 3][b_size];
}

/* The nearest name so far. */
struct suggestion {
    const char *name;
    size_t distance;
};

static void suggest(struct suggestion *s,
                    const char *name,
                    const char *word,
                    size_t word_size)
{
    size_t distance = word_distance(word, word_size, name, strlen(name));

    /* A word of which nothing is kept was not mistyped. */
    if (distance < s->distance &&
        (distance < word_size || distance < strlen(name))) {
        s->name = name;
        s->distance = distance;
    }
}

const char *cli_suggest_command(const struct cli_command *command,
                                const char *word)
{
    struct suggestion s = {.distance = DISTANCE_MAX + 1};

    for (const struct cli_command *sub = command->subs;
         sub != NULL && sub->name != NULL; sub++) {
        suggest(&s, sub->name, word, strlen(word));
    }
    return s.name;
}

const char *cli_suggest_option(const struct cli_command *command,
                               const char *word,
                               size_t word_size)
{
    struct suggestion s = {.distance = DISTANCE_MAX + 1};

    for (const struct cli_option *o = command->options;
         o != NULL && o->name != NULL; o++) {
        suggest(&s, o->name, word, word_size);
    }
    for (const struct cli_option *o = cli_common_options; o->name != NULL;
         o++) {
        suggest(&s, o->name, word, word_size);
    }
    return s.name;
}
