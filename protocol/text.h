#ifndef CAIRN_PROTOCOL_TEXT_H
#define CAIRN_PROTOCOL_TEXT_H

#include "crypto/base.h"

/* Text that comes from outside: labels, paths, names. The empty text passes
 * both. */

/* UTF-8 (RFC 3629) without NUL. */
bool text_is_valid(struct slice text);

/* Also without control characters (U+0001 .. U+001F, U+007F .. U+009F): it
 * neither breaks its line nor speaks to a terminal. */
bool text_is_plain(struct slice text);

#endif /* CAIRN_PROTOCOL_TEXT_H */
