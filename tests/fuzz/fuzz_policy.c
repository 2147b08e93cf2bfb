#include "protocol/canon.h"
#include "protocol/policy.h"
#include "tests/fuzz/fuzz.h"

static bool holds(struct slice policy, const uint8_t v[3])
{
    const struct policy_votes votes = {.by_role = {[POLICY_STEWARD] = v[0],
                                                   [POLICY_LAB] = v[1],
                                                   [POLICY_AUDITOR] = v[2]}};

    return policy_holds(policy, &votes);
}

/* Nobody's approval opens nothing; one more never closes; the lab's absence is
 * a matter of the lab's votes alone. */
static void check_votes(struct slice policy, const uint8_t v[3])
{
    const uint8_t none[3] = {0}, no_lab[3] = {v[0], 0, v[2]};
    bool yes = holds(policy, v);

    assert(!holds(policy, none));
    for (size_t i = 0; i < 3; i++) {
        uint8_t more[3] = {v[0], v[1], v[2]};

        more[i] = more[i] < UINT8_MAX ? (uint8_t)(more[i] + 1) : UINT8_MAX;
        assert(!yes || holds(policy, more));
    }
    assert(policy_survives_lab(policy, v[0], v[2]) == holds(policy, no_lab));
}

static void check_description(struct slice policy, size_t max)
{
    char out[300];

    memset(out, '#', sizeof(out));
    policy_describe(policy, out, max);
    assert(out[max] == '#');
    assert(max == 0 || memchr(out, '\0', max) != NULL);
}

/* Three votes and the room for the description, then the policy. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice policy;
    int rv;

    if (size < 4) {
        return 0;
    }
    policy = slice_of(data + 4, size - 4);
    rv = policy_check(policy);
    assert(rv == OK || rv == ERR_BAD || rv == ERR_UNSUPPORTED);
    assert(rv == ERR_BAD || canon_check(policy) == OK);
    if (rv == OK) {
        check_votes(policy, data);
    } else {
        assert(!holds(policy, data));
        assert(!policy_survives_lab(policy, data[0], data[2]));
    }
    check_description(policy, data[3]);
    return 0;
}
