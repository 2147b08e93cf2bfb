#ifndef CAIRN_TESTS_VECTORS_GROUP_H
#define CAIRN_TESTS_VECTORS_GROUP_H

#include <jansson.h>

#include "crypto/vss.h"

/* Scalars, elements and shares as vector files write them: hex strings,
 * whatever they encode. False for anything else, NULL included. */
bool scalar_read(const json_t *string, struct scalar *out);
bool element_read(const json_t *string, struct element *out);

/* An array of elements; its length, or 0 when it is longer than |max| or has
 * anything else in it. */
size_t elements_read(const json_t *array, struct element *out, size_t max);

/* {"s": ..., "r": ...} at |index|. */
bool share_read(const json_t *object, uint16_t index, struct vss_share *out);

bool scalar_equal(const struct scalar *a, const struct scalar *b);

/* The number that the key of an object spells; 0 when it spells none. */
uint16_t index_of(const char *key);

#endif /* CAIRN_TESTS_VECTORS_GROUP_H */
