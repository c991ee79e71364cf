#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>

#include <memory>

namespace watchkeeper {

/// Deleter of what OpenSSL gives: `std::unique_ptr<X509, freed_with<X509_free>>`.
template <auto Free>
struct freed_with {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using key_ptr = std::unique_ptr<EVP_PKEY, freed_with<EVP_PKEY_free>>;
using bio_ptr = std::unique_ptr<BIO, freed_with<BIO_free_all>>;

}  // namespace watchkeeper
