#pragma once

#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/clock.hpp"
#include "base/thread_safety.hpp"

namespace watchkeeper {

/// A bounded map from keys to shared values. It also stores absence for a while, and notices when a
/// value that is being read elsewhere has been overtaken. Thread: any; a call locks one stripe.
///
/// It is no lru_map: a look-up would change the order, and so need the stripe for itself, while
/// look-ups on the way of every heartbeat share it. At the limit it evicts an arbitrary entry,
/// which costs one read of the ledger.
template <class K, class V>
class striped_cache {
 public:
  striped_cache(std::size_t entries_max, std::int64_t absence_ttl_ms)
      : stripe_max_(entries_max / stripes_ + 1), absence_ttl_ms_(absence_ttl_ms) {}

  struct lookup {
    bool is_cached = false;    // else it has to be read
    std::shared_ptr<V> entry;  // null, if cached: it does not exist
  };
  [[nodiscard]] lookup find(const K& key, mono_ms now) const {
    const auto& s = stripe_of(key);
    const shared_lock lock(s.mutex);
    const auto found = s.entries.find(key);
    if (found == s.entries.end()) return {};
    if (!found->second.value && found->second.read_at + absence_ttl_ms_ < now) return {};
    return {true, found->second.value};
  }

  [[nodiscard]] std::uint64_t generation(const K& key) const noexcept {
    return stripe_of(key).generation.load(std::memory_order_acquire);
  }
  /// Stores what was read, unless the stripe has forgotten something since `generation` was taken.
  void put(const K& key, std::shared_ptr<V> value, std::uint64_t generation, mono_ms now) {
    auto& s = stripe_of(key);
    const exclusive_lock lock(s.mutex);
    if (s.generation.load(std::memory_order_relaxed) != generation) return;
    if (s.entries.size() >= stripe_max_ && !s.entries.contains(key))
      s.entries.erase(s.entries.begin());
    s.entries[key] = {std::move(value), now};
  }
  /// Replaces `before`, which was found here, by what was read since; reads that began earlier are
  /// overtaken. Another value that is here by now may be from such a read: it is forgotten.
  void renew(const K& key, const std::shared_ptr<V>& before, std::shared_ptr<V> value,
             mono_ms now) {
    auto& s = stripe_of(key);
    const exclusive_lock lock(s.mutex);
    s.generation.fetch_add(1, std::memory_order_acq_rel);
    const auto at = s.entries.find(key);
    if (at == s.entries.end()) return;
    if (at->second.value == before)
      at->second = {std::move(value), now};
    else
      s.entries.erase(at);
  }
  void forget(const K& key) {
    auto& s = stripe_of(key);
    const exclusive_lock lock(s.mutex);
    s.generation.fetch_add(1, std::memory_order_acq_rel);
    s.entries.erase(key);
  }
  /// Forgets what matches, called with key and value, and everything that does not exist.
  template <class Predicate>
  void forget_if(Predicate&& matches) {
    for (auto& s : all_) {
      const exclusive_lock lock(s.mutex);
      s.generation.fetch_add(1, std::memory_order_acq_rel);
      boost::unordered::erase_if(s.entries, [&](const auto& item) {
        return !item.second.value || matches(item.first, *item.second.value);
      });
    }
  }
  [[nodiscard]] std::size_t size() const {
    std::size_t total = 0;
    for (const auto& s : all_) {
      const shared_lock lock(s.mutex);
      total += s.entries.size();
    }
    return total;
  }

 private:
  static constexpr std::size_t stripes_ = 64;
  struct cached {
    std::shared_ptr<V> value;  // null: does not exist
    mono_ms read_at;
  };
  struct stripe {
    mutable annotated_shared_mutex mutex;
    std::atomic<std::uint64_t> generation{0};
    boost::unordered_flat_map<K, cached, std::hash<K>> entries GUARDED_BY(mutex);
  };
  [[nodiscard]] std::size_t index_of(const K& key) const noexcept {
    return (std::hash<K>{}(key) >> 48) % stripes_;
  }
  stripe& stripe_of(const K& key) noexcept { return all_[index_of(key)]; }
  const stripe& stripe_of(const K& key) const noexcept { return all_[index_of(key)]; }

  std::array<stripe, stripes_> all_;
  std::size_t stripe_max_;
  std::int64_t absence_ttl_ms_;
};

}  // namespace watchkeeper
