#ifndef CAIRN_TESTS_RELEASE_WORLD_H
#define CAIRN_TESTS_RELEASE_WORLD_H

#include "protocol/release.h"
#include "replication/keys.h"
#include "replication/steward/steward_state.h"
#include "tests/steward_feeds.h"

/* Key shares into custody, and releases from request to envelope, in a network
 * of stewards whose custodians are the real ones. The last member is the lab,
 * and also plays the recipient; one before it may be a scripted steward. */

#define LAB    (WORLD_MEMBERS - 1)
#define PLAYED (WORLD_MEMBERS - 2) /* A steward played by the test. */
#define OTHER  (WORLD_MEMBERS - 3) /* Another lab, when it is free. */
#define T      2U
#define DAY_S  86400ULL

extern struct world w;
extern unsigned n; /* Stewards with machines. */
extern struct test_feed lab_feed, played_feed;
extern struct manifest manifest;
extern struct digest manifest_hash;
extern struct release_request request;
extern uint8_t request_bytes[RELEASE_REQUEST_MAX];
extern size_t request_size;
extern struct digest release;
extern struct vss_polynomials polynomials; /* Whose shares are dealt. */
extern uint8_t recipient_sk[HPKE_KEY_SIZE];

/* What the lab and the recipient heard last, of each kind. */
extern struct message_refuse refused;
extern unsigned refusals, envelopes, heads_heard, acks_heard;
extern struct message_envelope envelope;

/* --- release_world.c: the network ---------------------------------------- */
/* |stewards| machines; PLAYED is one more steward when there is room. */
void start(uint64_t seed, unsigned stewards, uint32_t quorum);
void stop(void);
/* Every two stewards, and the lab with each. */
void connect_all(void);
/* What the scripted members hear. */
void on_message(struct world *world,
                unsigned member,
                uint64_t link,
                const struct message *m);
/* Into the feed of the lab; returns its hash. */
struct digest manifest_append(const struct manifest *m);
/* After a change to |request|. */
void request_encode(void);

/* --- release_verbs.c: what is done in it, and what is seen --------------- */
void say(unsigned from, uint64_t link, const struct message *m);
/* The link that is up, or 0. */
uint64_t link_between(unsigned a, unsigned b);

/* The share of steward |i|, sealed to its custodian. */
struct message deal_of(unsigned i);
void deal_all(void);
bool has_share(unsigned node);
/* Everybody knows everything, and holds its share. */
void start_dealt(uint64_t seed, unsigned stewards, uint32_t quorum);
/* And the release is open. */
void release_open(uint64_t seed);

/* Admin requests, each until it is answered: the status. */
int client(unsigned node, const struct steward_client *c);
int submit(unsigned node);
int approve(unsigned node);
int approve_as(unsigned node, unsigned operator);
int deny(unsigned node);
/* While the world is at other things; answered when it is run on. */
void approve_beside(unsigned node);
struct steward_client submit_of(void);
struct steward_client approval_of(unsigned operator);
/* What the custodian of |member| would decide. */
struct release_decision decision_of(unsigned member, uint16_t index);

/* What a node knows of the release; false: nothing. */
bool look(unsigned node, struct steward_release_info *info);
enum steward_release_state state(unsigned node);
/* How many are in a set of members. */
unsigned bits(uint64_t v);
/* Entries of |kind| by |author|, as |node| has them. */
unsigned entries(unsigned node, unsigned author, enum feed_kind kind);
/* Ready everywhere, and everything was said once. */
void ready_check(void);

/* A new link of the recipient. */
uint64_t recipient(unsigned node);
void envelope_want(uint64_t link);
/* The envelope that was heard last opens, with the share of that steward. */
void envelope_check(unsigned node);

#endif /* CAIRN_TESTS_RELEASE_WORLD_H */
