#include "crypto/key_table_cache.hpp"

#if defined(__x86_64__)

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "base/lru_map.hpp"
#include "base/thread_safety.hpp"
#include "crypto/digest.hpp"

namespace watchkeeper::crypto::p256 {
namespace {

constexpr std::size_t stripes_max = 16;
constexpr std::size_t stripe_tables_min = 64;

__extension__ using wide = unsigned __int128;

std::uint64_t folded_product(std::uint64_t a, std::uint64_t b) noexcept {
  const wide product = wide{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

struct upper_bits {
  // The lower bits of the hash chose the stripe and the slot.
  std::size_t operator()(std::uint64_t hash) const noexcept { return hash >> 24; }
};

}  // namespace

struct key_table_cache::stripe {
  struct entry {
    key_bytes key;
    std::uint64_t used = 0;  // the stripe's clock at the last use
    table multiples;
  };
  /// A key that verified without a table: part of its hash, and when. A later key takes the slot.
  struct sight {
    std::uint64_t hash = 0;
    std::uint64_t at = 0;
  };

  explicit stripe(std::size_t most)
      : tables_max(most), tables(most), sights(std::bit_ceil(2 * std::max<std::size_t>(most, 8))) {}

  const std::size_t tables_max;
  mutable annotated_mutex mutex;
  std::uint64_t clock GUARDED_BY(mutex) = 0;
  lru_map<std::uint64_t, entry, upper_bits> tables GUARDED_BY(mutex);  // by the hash of the key
  std::vector<sight> sights GUARDED_BY(mutex);

  /// Whether the key of that hash is to have a table.
  bool admit(std::uint64_t hash) noexcept REQUIRES(mutex) {
    // Two slots may hold it; if neither does, it takes the one that was left alone for longer.
    const auto slot = (hash >> 4) & (sights.size() - 1);
    auto* seen = &sights[slot];
    auto* other = &sights[slot ^ 1];
    if (other->hash == hash || (seen->hash != hash && other->at < seen->at)) seen = other;
    const bool again = seen->hash == hash;
    const auto before = std::exchange(*seen, {hash, ++clock}).at;
    if (!again) return false;
    return tables.size() < tables_max || tables.oldest()->value.used < before;
  }

  void insert(std::uint64_t hash, entry&& made) REQUIRES(mutex) {
    if (tables.contains(hash)) return;  // another thread was here first
    made.used = ++clock;
    tables.try_emplace(hash, std::move(made));
  }
};

key_table_cache::key_table_cache(std::size_t tables_max) : tables_max_(tables_max) {
  std::array<std::uint8_t, sizeof seed_> secret;
  random_bytes(secret);
  std::memcpy(seed_.data(), secret.data(), sizeof seed_);
  if (tables_max == 0) return;
  const auto stripes = std::clamp<std::size_t>(tables_max / stripe_tables_min, 1, stripes_max);
  for (std::size_t i = 0; i < stripes; ++i)
    stripes_.push_back(
        std::make_unique<stripe>(tables_max / stripes + (i < tables_max % stripes ? 1 : 0)));
}

key_table_cache::~key_table_cache() = default;

std::uint64_t key_table_cache::hash(std::span<const std::uint8_t, 64> key) const noexcept {
  std::array<std::uint64_t, 4> x;
  std::memcpy(x.data(), key.data(), sizeof x);
  const auto a = folded_product(x[0] ^ seed_[0], x[1] ^ seed_[1]);
  const auto b = folded_product(x[2] ^ seed_[2], x[3] ^ seed_[3]);
  // Of y, its lowest byte: it tells a point from its opposite. 0 is an empty slot.
  return folded_product(a ^ seed_[1], b ^ seed_[2] ^ key[63]) | 1;
}

key_table_cache::stripe& key_table_cache::stripe_of(std::uint64_t hash) const noexcept {
  return *stripes_[(hash >> 32) % stripes_.size()];
}

key_table_cache::table key_table_cache::find(std::span<const std::uint8_t, 64> key) noexcept {
  if (stripes_.empty()) return nullptr;
  const auto hashed = hash(key);
  auto& mine = stripe_of(hashed);
  const mutex_lock lock{mine.mutex};
  auto* const found = mine.tables.find_if(hashed, [&](const stripe::entry& each) {
    return std::equal(key.begin(), key.end(), each.key.begin());
  });
  if (!found) return nullptr;
  found->used = ++mine.clock;
  return found->multiples;
}

void key_table_cache::verified(std::span<const std::uint8_t, 64> key) noexcept {
  if (stripes_.empty()) return;
  const auto hashed = hash(key);
  auto& mine = stripe_of(hashed);
  {
    const mutex_lock lock{mine.mutex};
    if (!mine.admit(hashed)) return;
  }
  affine_point point;
  if (!read_point(key, point)) return;
  try {
    const auto made = std::make_shared<key_table>();
    make_table(point, *made);
    stripe::entry entry{{}, 0, made};
    std::copy(key.begin(), key.end(), entry.key.begin());
    const mutex_lock lock{mine.mutex};
    mine.insert(hashed, std::move(entry));
  } catch (const std::bad_alloc&) {
    // Without a table it works as well.
  }
}

std::size_t key_table_cache::size() const noexcept {
  std::size_t all = 0;
  for (const auto& one : stripes_) {
    const mutex_lock lock{one->mutex};
    all += one->tables.size();
  }
  return all;
}

}  // namespace watchkeeper::crypto::p256

#endif
