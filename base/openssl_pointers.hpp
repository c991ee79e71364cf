#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>

#include "base/owned.hpp"

namespace watchkeeper {

using key_ptr = owned<EVP_PKEY, EVP_PKEY_free>;
using bio_ptr = owned<BIO, BIO_free_all>;

}  // namespace watchkeeper
