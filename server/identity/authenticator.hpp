#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/rate_limiter.hpp"
#include "base/units.hpp"
#include "crypto/digest.hpp"
#include "net/shared/http.hpp"
#include "server/config/configuration.hpp"
#include "server/identity/caller.hpp"

namespace watchkeeper::server {

/// Says whose token a request carries. Thread: any. Costs one SHA-256 and a comparison of constant
/// time with every token; blocks on nothing but short locks.
/// Wrong tokens are counted by address (IPv6: by /64); beyond identity_limits::wrong_tokens the
/// address is told to wait before any token of it is looked at. The table is bounded: when full, an
/// address that has nothing to wait for gives way, else an arbitrary one.
class authenticator {
 public:
  explicit authenticator(const std::vector<configured_token>& tokens);

  /// From now on these are the tokens. At most identity_limits::tokens_max; more are not looked at,
  /// nor those whose digest is not 64 hexadecimal digits (the configuration has refused them
  /// before).
  void replace(const std::vector<configured_token>& tokens);

  struct missing {};  // no bearer token in the header field
  struct wrong {};    // one that nobody has
  struct too_many {
    std::int64_t retry_after_ms;
  };  // wrong tokens from this address
  using verdict = std::variant<identity, missing, wrong, too_many>;

  [[nodiscard]] verdict identify(std::string_view authorization, const net::peer_address& from,
                                 unix_ms now_ms);

  struct holder {
    identity owner;
    login::token_fingerprint fingerprint{};
  };
  using token_verdict = std::variant<holder, wrong, too_many>;
  /// The same for the token itself, with which somebody logs in.
  [[nodiscard]] token_verdict identify_token(std::string_view token, const net::peer_address& from,
                                             unix_ms now_ms);
  /// Whose token has this fingerprint; nothing when it is configured no more.
  [[nodiscard]] std::optional<identity> holder_of(
      const login::token_fingerprint& fingerprint) const;

 private:
  struct known_token {
    identity owner;
    crypto::sha256_digest digest{};
    login::token_fingerprint fingerprint{};
  };
  using token_list = std::shared_ptr<const std::vector<known_token>>;
  using address_key = std::string;

  [[nodiscard]] std::int64_t wait_of(const address_key& key, unix_ms now_ms) const;
  void count_wrong(const address_key& key, unix_ms now_ms);

  mutable std::mutex mutex_;
  token_list tokens_;                                       // guarded by mutex_
  std::unordered_map<address_key, rate_limiter> wrong_of_;  // guarded by mutex_
};

}  // namespace watchkeeper::server
