#include "net/connection_table.hpp"

#include <atomic>
#include <stdexcept>
#include <utility>

namespace watchkeeper::net {
namespace {

constexpr std::uint64_t place_mask = (std::uint64_t{1} << connection_table::place_bits) - 1;
std::atomic<std::uint64_t> last_number{0};

}  // namespace

std::uint64_t connection_table::reserve() {
  if (free_.empty()) {
    if (places_.size() > place_mask) throw std::length_error("connection table");
    free_.reserve(places_.size() + 1);
    places_.emplace_back();
    free_.push_back(static_cast<std::uint32_t>(places_.size() - 1));
    free_.reserve(places_.capacity());
  }
  const auto at = free_.back();
  free_.pop_back();
  const auto number = last_number.fetch_add(1, std::memory_order_relaxed) + 1;
  places_[at].id = number << place_bits | at;
  return places_[at].id;
}

void connection_table::fill(std::uint64_t id, std::unique_ptr<connection> made) noexcept {
  places_[id & place_mask].occupant = std::move(made);
}

void connection_table::release(std::uint64_t id) noexcept {
  places_[id & place_mask].id = 0;
  free_.push_back(static_cast<std::uint32_t>(id & place_mask));
}

connection* connection_table::find(std::uint64_t id) const noexcept {
  const auto at = id & place_mask;
  return at < places_.size() && places_[at].id == id ? places_[at].occupant.get() : nullptr;
}

std::unique_ptr<connection> connection_table::take(std::uint64_t id) noexcept {
  auto taken = std::move(places_[id & place_mask].occupant);
  release(id);
  return taken;
}

}  // namespace watchkeeper::net
