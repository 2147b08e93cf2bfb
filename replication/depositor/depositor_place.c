#include "crypto/hash.h"
#include "protocol/words.h"
#include "replication/depositor/depositor.h"

/* What a choice is measured by. */
struct place {
    const struct charter *charter;
    uint16_t k, n, t;
    const struct card *cards[MANIFEST_SHARDS_MAX]; /* Chosen. */
    uint16_t len;
    struct words *words;
};

/* How many shards one jurisdiction or provider may have: as many as may be
 * lost, and fewer than open the deposit. */
static uint16_t place_limit(const struct place *p)
{
    uint16_t spare = (uint16_t)(p->n - p->k);

    return spare < p->t - 1 ? spare : (uint16_t)(p->t - 1);
}

static const char *jurisdiction_of(const struct card *card)
{
    return card->jurisdiction;
}

static const char *provider_of(const struct card *card)
{
    return card->provider;
}

static const char *organisation_of(const struct card *card)
{
    return card->organisation;
}

/* How many of those chosen have this one's value; an empty one says nothing,
 * and is nobody's. */
static uint16_t place_same(const struct place *p,
                           const struct card *card,
                           const char *(*value)(const struct card *))
{
    uint16_t len = 0;

    for (uint16_t i = 0; i < p->len; i++) {
        if (value(card)[0] != '\0' &&
            strcmp(value(p->cards[i]), value(card)) == 0) {
            len++;
        }
    }
    return len;
}

static void say_limit(const struct place *p, const char *what, const char *who)
{
    words_init(p->words, p->words->at, p->words->max);
    words_add(p->words, "the ");
    words_add(p->words, what);
    words_add(p->words, " \"");
    words_add(p->words, who);
    words_add(p->words, "\" would have more than ");
    words_number(p->words, place_limit(p));
    words_add(p->words, " of the shards, and alone could lose or open the "
                        "deposit; choose other stewards, or let the charter "
                        "allow it");
}

/* Take one more; false, with words, when a rule forbids it. */
static bool place_take(struct place *p, const struct card *card)
{
    uint32_t flags = p->charter->flags;

    if (place_same(p, card, organisation_of) > 0) {
        words_init(p->words, p->words->at, p->words->max);
        words_add(p->words, "the organisation \"");
        words_add(p->words, card->organisation);
        words_add(p->words, "\" would have two of the shards; choose "
                            "stewards of different organisations");
        return false;
    }
    if ((flags & CHARTER_FLAG_SAME_JURISDICTION) == 0 &&
        place_same(p, card, jurisdiction_of) >= place_limit(p)) {
        say_limit(p, "jurisdiction", card->jurisdiction);
        return false;
    }
    if ((flags & CHARTER_FLAG_SAME_PROVIDER) == 0 &&
        card->provider[0] != '\0' &&
        place_same(p, card, provider_of) >= place_limit(p)) {
        say_limit(p, "provider", card->provider);
        return false;
    }
    p->cards[p->len++] = card;
    return true;
}

/* --- Those that were chosen ---------------------------------------------- */

static int place_chosen(struct place *p,
                        const struct digest *chosen,
                        size_t chosen_len)
{
    if (chosen_len != p->n) {
        words_number(p->words, chosen_len);
        words_add(p->words, " stewards were chosen for ");
        words_number(p->words, p->n);
        words_add(p->words, " shards; choose as many as shards");
        return chosen_len < p->n ? ERR_NOTFOUND : ERR_BAD;
    }
    for (size_t i = 0; i < chosen_len; i++) {
        const struct card *card = charter_steward(p->charter, &chosen[i]);

        if (card == NULL) {
            words_add(p->words, "the choice for shard ");
            words_number(p->words, i);
            words_add(p->words, " is no steward of this network");
            return ERR_NOTFOUND;
        }
        for (size_t j = 0; j < i; j++) {
            if (digest_equal(&chosen[j], &chosen[i])) {
                words_add(p->words, "the steward \"");
                words_add(p->words, card->name);
                words_add(p->words, "\" was chosen twice; one steward "
                                    "holds one shard of a deposit");
                return ERR_DENIED;
            }
        }
        if (!place_take(p, card)) {
            return ERR_DENIED;
        }
    }
    return OK;
}

/* --- Rendezvous ---------------------------------------------------------- */

struct rank {
    struct digest score;
    const struct card *card;
};

static size_t rank_stewards(const struct charter *charter,
                            const struct digest *deposit_id,
                            struct rank ranks[CHARTER_MEMBERS_MAX])
{
    size_t len = 0;

    for (size_t i = 0; i < charter->members_len; i++) {
        const struct card *card = &charter->members[i].card;
        struct rank r = {.card = card};
        size_t at = len;

        if (card->role != CARD_STEWARD) {
            continue;
        }
        TH256(&r.score, "rendezvous", digest_slice(deposit_id),
              digest_slice(&card->id));
        while (at > 0 && memcmp(ranks[at - 1].score.bytes, r.score.bytes,
                                DIGEST_SIZE) > 0) {
            ranks[at] = ranks[at - 1];
            at--;
        }
        ranks[at] = r;
        len++;
    }
    return len;
}

static int place_ranked(struct place *p, const struct digest *deposit_id)
{
    struct rank ranks[CHARTER_MEMBERS_MAX];
    size_t len = rank_stewards(p->charter, deposit_id, ranks);

    if (len < p->n) {
        words_add(p->words, "the network has ");
        words_number(p->words, len);
        words_add(p->words, " stewards, and ");
        words_number(p->words, p->n);
        words_add(p->words, " shards need as many; choose a code of "
                            "fewer shards");
        return ERR_NOTFOUND;
    }
    /* The words of the last refusal stand when too few are left. */
    for (size_t i = 0; i < len && p->len < p->n; i++) {
        (void)place_take(p, ranks[i].card);
    }
    return p->len == p->n ? OK : ERR_DENIED;
}

/* --- Both ---------------------------------------------------------------- */

/* The code itself must outlive the faults that the network is built for, and
 * those who are faulty must not be enough to open it. */
static int place_code(const struct place *p)
{
    uint32_t f = charter_faulty(p->n);

    if (!manifest_code_is_valid(p->k, p->n) || p->t < 1 || p->t > p->n) {
        words_add(p->words, "no such code: 1 <= k < n and 1 <= t <= n");
        return ERR_BAD;
    }
    if ((uint32_t)(p->n - p->k) < f + 1 || p->n < p->t + f || p->t <= f) {
        words_add(p->words, "with ");
        words_number(p->words, p->n);
        words_add(p->words, " stewards, ");
        words_number(p->words, f);
        words_add(p->words, " of which may be faulty, k is at most ");
        words_number(p->words, p->n - f - 1);
        words_add(p->words, " and t from ");
        words_number(p->words, f + 1);
        words_add(p->words, " to ");
        words_number(p->words, p->n - f);
        return ERR_DENIED;
    }
    return OK;
}

int depositor_place(const struct charter *charter,
                    const struct digest *deposit_id,
                    const struct digest *chosen,
                    size_t chosen_len,
                    uint16_t k,
                    uint16_t n,
                    uint16_t t,
                    struct digest stewards[MANIFEST_SHARDS_MAX],
                    char text[MESSAGE_TEXT_MAX + 1])
{
    struct words words;
    struct place p = {.charter = charter, .k = k, .n = n, .t = t};
    int rv;

    words_init(&words, text, MESSAGE_TEXT_MAX + 1);
    p.words = &words;
    rv = place_code(&p);
    if (rv == OK) {
        rv = chosen_len > 0 ? place_chosen(&p, chosen, chosen_len)
                            : place_ranked(&p, deposit_id);
    }
    if (rv != OK) {
        return rv;
    }
    assert(p.len == n);
    for (uint16_t i = 0; i < p.len; i++) {
        stewards[i] = p.cards[i]->id;
    }
    text[0] = '\0';
    return OK;
}
