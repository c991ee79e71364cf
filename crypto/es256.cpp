#include "crypto/es256.hpp"

#include <atomic>
#include <mutex>
#include <optional>

#include "crypto/key_table_cache.hpp"
#include "crypto/p256.hpp"
#include "crypto/p256_fast.hpp"

namespace watchkeeper::crypto::es256 {
namespace {

#if defined(__x86_64__)

struct state {
  arithmetic which;
  p256::key_table_cache tables;
};

bool verify_with_new_table(std::span<const std::uint8_t, 64> point, const sha256_digest& digest,
                           std::span<const std::uint8_t, 64> signature) noexcept {
  p256::affine_point q;
  p256::key_table table;
  if (!p256::read_point(point, q)) return false;
  p256::make_table(q, table);
  return p256::verify_fast(table, digest, signature);
}

arithmetic decide(choice which) noexcept {
  if (which == choice::openssl) return arithmetic::openssl_chosen;
  if (!p256::fast_is_supported()) return arithmetic::openssl_for_processor;
  const bool right = passes_self_test(p256::verify_fast) && passes_self_test(verify_with_new_table);
  return right ? arithmetic::own : arithmetic::openssl_for_self_test;
}

bool verify_own(p256::key_table_cache& tables, std::span<const std::uint8_t, 64> point,
                const sha256_digest& digest, std::span<const std::uint8_t, 64> signature) noexcept {
  if (const auto table = tables.find(point)) {
    // Of thousands of tables none is near: let it come while s is inverted.
    for (const auto& multiple : table->points) __builtin_prefetch(&multiple);
    return p256::verify_fast(*table, digest, signature);
  }
  if (!p256::verify_fast(point, digest, signature)) return false;
  tables.verified(point);
  return true;
}

#else

struct no_tables {
  explicit no_tables(std::size_t) noexcept {}
  static std::size_t size() noexcept { return 0; }
};
struct state {
  arithmetic which;
  no_tables tables;
};

arithmetic decide(choice which) noexcept {
  return which == choice::openssl ? arithmetic::openssl_chosen : arithmetic::openssl_for_processor;
}

#endif

std::mutex choosing;
std::atomic<state*> chosen{nullptr};

/// Never freed: threads may verify until the process ends.
state& choose_once(choice which, std::size_t tables) noexcept {
  const std::lock_guard lock{choosing};
  auto* existing = chosen.load(std::memory_order_acquire);
  if (!existing) {
    const auto arithmetic_used = decide(which);
    existing = new state{arithmetic_used,
                         decltype(state::tables){arithmetic_used == arithmetic::own ? tables : 0}};
    chosen.store(existing, std::memory_order_release);
  }
  return *existing;
}

state& current() noexcept {
  auto* existing = chosen.load(std::memory_order_acquire);
  return existing ? *existing : choose_once(choice::automatic, tables_default);
}

}  // namespace

arithmetic use(choice which, std::size_t tables) noexcept {
  return choose_once(which, tables).which;
}

arithmetic in_use() noexcept {
  return current().which;
}

std::string_view name_of(arithmetic which) noexcept {
  return which == arithmetic::own ? "own" : "openssl";
}

std::string_view reason_of(arithmetic which) noexcept {
  switch (which) {
    case arithmetic::own:
      return "the processor has BMI2 and ADX, and the self test passed";
    case arithmetic::openssl_chosen:
      return "the configuration says so";
    case arithmetic::openssl_for_processor:
      return "the processor has no BMI2 or no ADX";
    case arithmetic::openssl_for_self_test:
      return "the own arithmetic failed its self test";
  }
  return {};
}

std::size_t tables_cached() noexcept {
  return current().tables.size();
}

bool verify(std::span<const std::uint8_t, 64> point, const sha256_digest& digest,
            std::span<const std::uint8_t, 64> signature) noexcept {
#if defined(__x86_64__)
  auto& now = current();
  if (now.which == arithmetic::own) return verify_own(now.tables, point, digest, signature);
#endif
  return p256::verify(point, digest, signature);
}

}  // namespace watchkeeper::crypto::es256
