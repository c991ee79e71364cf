#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace watchkeeper::storage {

/// Which ledger it is, and how far it has come (docs/adr/0019-ledger-identity.md).
struct ledger_identity {
  /// Names one line of transactions: of a random id, and of what its server says about where it
  /// continued from. A ledger of another history may lack what this one had. Without spaces.
  std::string history;
  std::int64_t transactions = 0;    // that changed what other stores or gateways rely on
  std::int64_t last_sequence = 0;   // the highest number that its outbox ever gave out
  std::uint32_t highest_epoch = 0;  // that it ever gave out
  friend bool operator==(const ledger_identity&, const ledger_identity&) = default;
};

/// Whether a ledger that is `now` may lack transactions that it had when it was `seen`.
[[nodiscard]] inline bool may_lack(const ledger_identity& now,
                                   const ledger_identity& seen) noexcept {
  return now.history != seen.history || now.transactions < seen.transactions;
}

/// As the hot stores keep it (docs/storage-format.md).
std::string encode(const ledger_identity& identity);
std::optional<ledger_identity> decode_ledger_identity(std::string_view text);

}  // namespace watchkeeper::storage
