#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/rate_limiter.hpp"
#include "base/thread_safety.hpp"
#include "crypto/digest.hpp"
#include "net/shared/http.hpp"
#include "server/config/configuration.hpp"
#include "server/identity/caller.hpp"

namespace watchkeeper::server {

/// Finds out whose token a request carries. Thread: any. Costs one SHA-256 and a comparison of
/// constant time with every token; takes short locks only.
/// Wrong tokens are counted by address (IPv6: by /64). Beyond identity_limits::wrong_tokens the
/// address has to wait, and its tokens are not compared until then. The table is bounded: when it
/// is full, an address that need not wait is evicted, or else an arbitrary one.
class authenticator {
 public:
  explicit authenticator(const std::vector<configured_token>& tokens);

  /// Replaces the tokens. Ignores those beyond identity_limits::tokens_max, and those whose digest
  /// is not 64 hexadecimal digits (the configuration reports these as problems).
  void replace(const std::vector<configured_token>& tokens);

  struct missing {};  // no bearer token in the header field
  struct wrong {};    // one that nobody has
  struct too_many {
    std::int64_t retry_after_ms;
  };  // wrong tokens from this address
  using identify_result = std::variant<identity, missing, wrong, too_many>;

  [[nodiscard]] identify_result identify(std::string_view authorization,
                                         const net::peer_address& from, mono_ms now);

  struct holder {
    identity owner;
    login::token_fingerprint fingerprint{};
  };
  using identify_token_result = std::variant<holder, wrong, too_many>;
  /// The same for the token itself, as in the body of a login.
  [[nodiscard]] identify_token_result identify_token(std::string_view token,
                                                     const net::peer_address& from, mono_ms now);
  /// The owner of the token with this fingerprint; nothing if no such token is configured.
  [[nodiscard]] std::optional<identity> holder_of(
      const login::token_fingerprint& fingerprint) const;

 private:
  struct token_entry {
    identity owner;
    crypto::sha256_digest digest{};
    login::token_fingerprint fingerprint{};
  };
  using token_list = std::shared_ptr<const std::vector<token_entry>>;
  using address_key = std::string;

  [[nodiscard]] std::int64_t wait_of(const address_key& key, mono_ms now) const REQUIRES(mutex_);
  void count_wrong(const address_key& key, mono_ms now) REQUIRES(mutex_);

  mutable annotated_mutex mutex_;
  token_list tokens_ GUARDED_BY(mutex_);
  /// No lru_map: many others must not evict an address that has to wait.
  std::unordered_map<address_key, rate_limiter> wrong_of_ GUARDED_BY(mutex_);
};

}  // namespace watchkeeper::server
