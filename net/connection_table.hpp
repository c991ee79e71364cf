#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "net/connection.hpp"

namespace watchkeeper::net {

/// The connections of one I/O thread, found by id without hashing: the low bits of an id are the
/// place in the table, the high ones a number that the process never gives twice. Thread:
/// io_thread.
class connection_table {
 public:
  static constexpr unsigned place_bits = 24;

  /// Reserves a place. Throws std::bad_alloc; std::length_error beyond 2^24 connections.
  std::uint64_t reserve();
  /// Fills or gives back a reserved place; neither throws.
  void fill(std::uint64_t id, std::unique_ptr<connection> made) noexcept;
  void release(std::uint64_t id) noexcept;

  [[nodiscard]] connection* find(std::uint64_t id) const noexcept;
  /// Empties the place of `id`.
  std::unique_ptr<connection> take(std::uint64_t id) noexcept;

  /// Places, used or not: for going through all of them.
  [[nodiscard]] std::size_t places() const noexcept { return places_.size(); }
  [[nodiscard]] connection* at(std::size_t place) const noexcept {
    return places_[place].occupant.get();
  }

 private:
  struct slot {
    std::uint64_t id = 0;
    std::unique_ptr<connection> occupant;
  };
  std::vector<slot> places_;
  std::vector<std::uint32_t> free_;  // its capacity covers every place, so that giving back is free
};

}  // namespace watchkeeper::net
