#pragma once

#include <memory>

namespace watchkeeper {

// For a deprecated function the compiler warns where its name is written, which is enough.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/// Deleter that calls a C library's function: `freed_with<X509_free>`.
template <auto Free>
struct freed_with {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

/// Owns an object of a C library: `owned<X509, X509_free>`.
template <class T, auto Free>
using owned = std::unique_ptr<T, freed_with<Free>>;

#pragma GCC diagnostic pop

}  // namespace watchkeeper
