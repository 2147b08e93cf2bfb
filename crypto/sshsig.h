#ifndef CAIRN_CRYPTO_SSHSIG_H
#define CAIRN_CRYPTO_SSHSIG_H

#include "crypto/base.h"

/* Signatures of operators, made with `ssh-keygen -Y sign -n NAMESPACE`
 * (openssh PROTOCOL.sshsig), with ssh-ed25519 or sk-ssh-ed25519@openssh.com
 * keys (FIDO2; user presence is demanded). Other key types, hashes other than
 * sha512 and other namespaces are refused. */

#define SSHSIG_BLOB_MAX 512  /* A public key as SSH encodes it. */
#define SSHSIG_TEXT_MAX 4096 /* An armoured signature file. */

/* An operator's public key: the SSH wire encoding of its type and key, and
 * for FIDO2 keys the application. */
struct sshsig_key {
    uint8_t blob[SSHSIG_BLOB_MAX];
    size_t blob_size;
};

/* Read one line of an OpenSSH .pub file ("ssh-ed25519 AAAA... comment").
 * ERR_UNSUPPORTED for other key types. */
MUST_CHECK int sshsig_key_parse(struct sshsig_key *k, struct slice line);

/* Check a blob that came from elsewhere (a card). */
MUST_CHECK int sshsig_key_check(struct slice blob);

/* "SHA256:..." as ssh-keygen -l prints it; |out| has room for 64 bytes. */
void sshsig_key_fingerprint(struct slice blob, char out[64]);

/* Turn an armoured signature into its binary form. |out| has room for
 * SSHSIG_TEXT_MAX bytes. */
MUST_CHECK int sshsig_dearmor(struct slice text, uint8_t *out, size_t *size);

/* Does |sig| (binary form) sign |message| in |ns|, a literal of 1 to 128
 * bytes? On OK |key| is the key that signed; the caller decides whether that
 * key may. ERR_BAD for bytes that are no such signature or have anything
 * behind them, ERR_UNSUPPORTED for other algorithms, ERR_AUTH when it does
 * not verify: another namespace and an untouched FIDO2 key among it. */
MUST_CHECK int sshsig_verify(struct slice sig,
                             const char *ns,
                             struct slice message,
                             struct sshsig_key *key);

#endif /* CAIRN_CRYPTO_SSHSIG_H */
