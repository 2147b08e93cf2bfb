#ifndef CAIRN_CRYPTO_IPSEC_H
#define CAIRN_CRYPTO_IPSEC_H

/* libipsec-mb, for builds that have it: AES-256-GCM for aead.c, and SHA-256 of
 * many at once for merkle_lanes.c. Where there is no manager, for want of the
 * library or of the processor, both let OpenSSL do the same. */

#if defined(HAVE_IPSEC_MB)

#include <intel-ipsec-mb.h>
#include <stddef.h>
#include <stdint.h>

/* A manager with the kernels of this processor, or NULL when the processor
 * lacks AVX2 or AES instructions, the library's self test fails or memory is
 * short. Its function pointers outlive it; its job queue is for one thread at a
 * time. The caller releases it with free_mb_mgr(). */
static inline IMB_MGR *ipsec_manager_new(void)
{
    const uint64_t need =
        IMB_FEATURE_AVX2 | IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
    IMB_MGR *mgr = alloc_mb_mgr(0);

    if (mgr == NULL) {
        return NULL;
    }
    init_mb_mgr_auto(mgr, NULL);
    if (imb_get_errno(mgr) != 0 || (mgr->features & need) != need ||
        ((mgr->features & IMB_FEATURE_SELF_TEST) != 0 &&
         (mgr->features & IMB_FEATURE_SELF_TEST_PASS) == 0)) {
        free_mb_mgr(mgr);
        return NULL;
    }
    return mgr;
}

#endif

#endif /* CAIRN_CRYPTO_IPSEC_H */
