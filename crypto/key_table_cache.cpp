#include "crypto/key_table_cache.hpp"

#if defined(__x86_64__)

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

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

struct known_hash {
  // The upper bits: the lower ones chose the stripe and the slot.
  std::size_t operator()(std::uint64_t hash) const noexcept { return hash >> 24; }
};

}  // namespace

struct key_table_cache::stripe {
  struct entry {
    key_bytes key;
    std::uint64_t hash;
    std::uint64_t used;  // the stripe's clock then
    table multiples;
  };
  /// A key that verified without a table: part of its hash, and when. A later key takes the slot.
  struct sight {
    std::uint64_t hash = 0;
    std::uint64_t at = 0;
  };

  explicit stripe(std::size_t most)
      : tables_max(most), sights(std::bit_ceil(2 * std::max<std::size_t>(most, 8))) {
    by_hash.reserve(most);
  }

  const std::size_t tables_max;
  mutable std::mutex mutex;
  std::uint64_t clock = 0;
  std::list<entry> entries;  // the most recently used first
  std::unordered_map<std::uint64_t, std::list<entry>::iterator, known_hash> by_hash;
  std::vector<sight> sights;

  /// Whether the key of that hash is to have a table. Under the lock.
  bool admit(std::uint64_t hash) noexcept {
    // Two slots may hold it; if neither does, it takes the one that was left alone for longer.
    const auto slot = (hash >> 4) & (sights.size() - 1);
    auto* seen = &sights[slot];
    auto* other = &sights[slot ^ 1];
    if (other->hash == hash || (seen->hash != hash && other->at < seen->at)) seen = other;
    const bool again = seen->hash == hash;
    const auto before = std::exchange(*seen, {hash, ++clock}).at;
    if (!again) return false;
    return entries.size() < tables_max || entries.back().used < before;
  }

  void insert(entry&& made) {
    if (by_hash.contains(made.hash)) return;  // another thread was here first
    if (entries.size() >= tables_max) {
      by_hash.erase(entries.back().hash);
      entries.pop_back();
    }
    const auto hash = made.hash;
    made.used = ++clock;
    entries.push_front(std::move(made));
    try {
      by_hash.emplace(hash, entries.begin());
    } catch (...) {
      entries.pop_front();
      throw;
    }
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
  const std::lock_guard lock{mine.mutex};
  const auto found = mine.by_hash.find(hashed);
  if (found == mine.by_hash.end()) return nullptr;
  const auto entry = found->second;
  if (!std::equal(key.begin(), key.end(), entry->key.begin())) return nullptr;
  entry->used = ++mine.clock;
  mine.entries.splice(mine.entries.begin(), mine.entries, entry);
  return entry->multiples;
}

void key_table_cache::verified(std::span<const std::uint8_t, 64> key) noexcept {
  if (stripes_.empty()) return;
  const auto hashed = hash(key);
  auto& mine = stripe_of(hashed);
  {
    const std::lock_guard lock{mine.mutex};
    if (!mine.admit(hashed)) return;
  }
  affine_point point;
  if (!read_point(key, point)) return;
  try {
    const auto made = std::make_shared<key_table>();
    make_table(point, *made);
    stripe::entry entry{{}, hashed, 0, made};
    std::copy(key.begin(), key.end(), entry.key.begin());
    const std::lock_guard lock{mine.mutex};
    mine.insert(std::move(entry));
  } catch (const std::bad_alloc&) {
    // Without a table it works as well.
  }
}

std::size_t key_table_cache::size() const noexcept {
  std::size_t all = 0;
  for (const auto& one : stripes_) {
    const std::lock_guard lock{one->mutex};
    all += one->entries.size();
  }
  return all;
}

}  // namespace watchkeeper::crypto::p256

#endif
