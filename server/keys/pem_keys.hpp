#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "crypto/agreement_key.hpp"

namespace watchkeeper::server {

/// The private keys in a text of PEM blocks ("PRIVATE KEY" or "EC PRIVATE KEY"), at most `most`, in
/// their order; other blocks (parameters, certificates) are passed over. The error is a sentence.
result<std::vector<crypto::agreement_key>, std::string> read_pem_keys(const std::string& text,
                                                                      std::size_t most);

}  // namespace watchkeeper::server
