#include "server/identity/authenticator.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "base/address_prefix.hpp"
#include "server/identity/identity_limits.hpp"

namespace watchkeeper::server {
namespace {

constexpr std::string_view scheme = "bearer ";

bool equal_ignoring_case(std::string_view a, std::string_view lower_case) {
  return std::equal(a.begin(), a.end(), lower_case.begin(), lower_case.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) == y;
  });
}

/// The token of `Bearer <token>` (RFC 6750, section 2.1); empty where there is none.
std::string_view bearer_of(std::string_view authorization) {
  if (authorization.size() <= scheme.size() ||
      !equal_ignoring_case(authorization.substr(0, scheme.size()), scheme))
    return {};
  auto token = authorization.substr(scheme.size());
  while (!token.empty() && token.front() == ' ') token.remove_prefix(1);
  while (!token.empty() && token.back() == ' ') token.remove_suffix(1);
  return token;
}

std::string key_of(const net::peer_address& address) {
  const auto network = address_prefix_of(address.bytes);
  return {network.begin(), network.end()};
}

std::optional<crypto::sha256_digest> digest_of(std::string_view hex) {
  crypto::sha256_digest digest{};
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const auto* first = hex.data() + 2 * i;
    if (std::from_chars(first, first + 2, digest[i], 16).ptr != first + 2) return std::nullopt;
  }
  return digest;
}

}  // namespace

authenticator::authenticator(const std::vector<configured_token>& tokens) {
  replace(tokens);
}

void authenticator::replace(const std::vector<configured_token>& tokens) {
  std::vector<token_entry> entries;
  for (const auto& token : tokens) {
    if (entries.size() == identity_limits::tokens_max) break;
    if (const auto digest = digest_of(token.sha256))
      entries.push_back({{token.name, token.role}, *digest, fingerprint_of(*digest)});
  }
  auto made = std::make_shared<const std::vector<token_entry>>(std::move(entries));
  const mutex_lock lock(mutex_);
  tokens_ = std::move(made);
}

authenticator::identify_result authenticator::identify(std::string_view authorization,
                                                       const net::peer_address& from, mono_ms now) {
  const auto bearer = bearer_of(authorization);
  if (bearer.empty()) return missing{};
  auto found = identify_token(bearer, from, now);
  if (const auto* wait = std::get_if<too_many>(&found)) return *wait;
  if (auto* right = std::get_if<holder>(&found)) return std::move(right->owner);
  return wrong{};
}

authenticator::identify_token_result authenticator::identify_token(std::string_view bearer,
                                                                   const net::peer_address& from,
                                                                   mono_ms now) {
  const auto key = key_of(from);
  token_list tokens;
  {
    const mutex_lock lock(mutex_);
    if (const auto wait_ms = wait_of(key, now); wait_ms > 0) return too_many{wait_ms};
    tokens = tokens_;
  }
  const token_entry* found = nullptr;
  if (bearer.size() <= identity_limits::bearer_bytes_max) {
    const auto digest = crypto::sha256(bearer);
    // Compared with every token, so that the time does not depend on which one it resembles.
    for (const auto& token : *tokens)
      if (crypto::constant_time_equal(digest, token.digest)) found = &token;
  }
  if (found != nullptr) return holder{found->owner, found->fingerprint};
  const mutex_lock lock(mutex_);
  count_wrong(key, now);
  return wrong{};
}

std::optional<identity> authenticator::holder_of(
    const login::token_fingerprint& fingerprint) const {
  token_list tokens;
  {
    const mutex_lock lock(mutex_);
    tokens = tokens_;
  }
  for (const auto& token : *tokens)
    if (token.fingerprint == fingerprint) return token.owner;
  return std::nullopt;
}

std::int64_t authenticator::wait_of(const address_key& key, mono_ms now) const {
  const auto it = wrong_of_.find(key);
  if (it == wrong_of_.end() || it->second.admits(now, identity_limits::wrong_tokens)) return 0;
  return std::max<std::int64_t>(1, it->second.retry_after_ms(now, identity_limits::wrong_tokens));
}

void authenticator::count_wrong(const address_key& key, mono_ms now) {
  if (wrong_of_.size() >= identity_limits::wrong_token_addresses_max && !wrong_of_.contains(key)) {
    const auto harmless = std::find_if(wrong_of_.begin(), wrong_of_.end(), [&](const auto& entry) {
      return entry.second.admits(now, identity_limits::wrong_tokens);
    });
    wrong_of_.erase(harmless != wrong_of_.end() ? harmless : wrong_of_.begin());
  }
  wrong_of_[key].charge(now, identity_limits::wrong_tokens);
}

}  // namespace watchkeeper::server
