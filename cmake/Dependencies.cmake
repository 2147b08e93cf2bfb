# Every library of this project, by its Debian 12 name (DESIGN.md 8). They come
# in as imported targets, so their headers are -isystem.

find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto)
find_package(Threads REQUIRED)

pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium>=1.0.18)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(CHECK REQUIRED IMPORTED_TARGET check)
pkg_check_modules(ROCKSDB REQUIRED IMPORTED_TARGET rocksdb)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(CONFUSE REQUIRED IMPORTED_TARGET libconfuse)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)

# Newer upstream calls it msgpack-c.
pkg_search_module(MSGPACK REQUIRED IMPORTED_TARGET msgpack msgpack-c)

# Optional: amd64 only, and without a pkg-config file.
option(WITH_IPSEC_MB "Use libipsec-mb for AES-GCM and SHA-256 where present" ON)
if(WITH_IPSEC_MB)
  find_library(IPSEC_MB_LIBRARY IPSec_MB)
  find_path(IPSEC_MB_INCLUDE intel-ipsec-mb.h)
endif()
if(IPSEC_MB_LIBRARY AND IPSEC_MB_INCLUDE)
  add_library(ipsec_mb UNKNOWN IMPORTED)
  set_target_properties(ipsec_mb PROPERTIES
    IMPORTED_LOCATION ${IPSEC_MB_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${IPSEC_MB_INCLUDE}
    INTERFACE_COMPILE_DEFINITIONS HAVE_IPSEC_MB=1)
endif()
