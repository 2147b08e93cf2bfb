#include <stdio.h>
#include <stdlib.h>

#include "crypto/primitives.h"
#include "crypto/rng.h"
#include "tests/bench/bench.h"

/* bench_model KIND SIZE >FILE: bytes that no tool can find twice.
 *
 *   random   nothing to compress in them
 *   weights  little-endian float32, near a Gaussian of deviation 0.02: the
 *            upper half of each is looked up among 65536 such numbers, the
 *            lower is random */

#define PIECE ((size_t)1 << 20)
#define TABLE 65536U

static uint16_t table[TABLE];

void must(bool ok)
{
    if (!ok) {
        fprintf(stderr, "bench_model: failed\n");
        exit(EXIT_FAILURE);
    }
}

/* Sums of twelve uniform numbers. */
static void table_fill(struct rng *rng)
{
    for (size_t i = 0; i < TABLE; i++) {
        uint16_t parts[12];
        float sum = -6.0F;
        uint32_t bits;

        rng_bytes(rng, parts, sizeof(parts));
        for (size_t j = 0; j < 12; j++) {
            sum += (float)parts[j] / 65536.0F;
        }
        sum *= 0.02F;
        memcpy(&bits, &sum, sizeof(bits));
        table[i] = (uint16_t)(bits >> 16);
    }
}

static void weights_from(uint8_t *random, size_t size)
{
    for (size_t i = 0; i < size; i += 4) {
        u16le_store(random + i + 2, table[u16le_load(random + i + 2)]);
    }
}

int main(int argc, char **argv)
{
    static uint8_t piece[PIECE];
    uint64_t left = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    bool weights = argc == 3 && strcmp(argv[1], "weights") == 0;
    struct rng rng;

    if (left == 0 || (!weights && strcmp(argv[1], "random") != 0)) {
        fprintf(stderr, "usage: bench_model random|weights SIZE >FILE\n");
        return EXIT_FAILURE;
    }
    must(primitives_init() == OK);
    rng_init_system(&rng);
    table_fill(&rng);
    while (left > 0) {
        size_t size = left < PIECE ? (size_t)left : PIECE;

        rng_bytes(&rng, piece, PIECE);
        if (weights) {
            weights_from(piece, PIECE);
        }
        must(fwrite(piece, 1, size, stdout) == size);
        left -= size;
    }
    must(fflush(stdout) == 0);
    return EXIT_SUCCESS;
}
