#pragma once

#include <span>

#include "storage/storage_error.hpp"

namespace watchkeeper::storage {

/// Runs `run` over all items. If single items make it fail (is_of_single_pairs), runs it over ever
/// smaller parts, so that one bad item harms no other: `failed` is called with each item that fails
/// alone. Returns a failure if the store fails, after which some parts may be done.
template <class Item, class Run, class Failed>
stored<ok_t> run_in_parts(std::span<const Item> items, const Run& run, const Failed& failed) {
  if (items.empty()) return ok;
  auto done = run(items);
  if (done || !is_of_single_pairs(done.error())) return done;
  if (items.size() == 1) {
    failed(items.front(), done.error());
    return ok;
  }
  const auto half = items.size() / 2;
  if (auto first = run_in_parts(items.first(half), run, failed); !first) return first;
  return run_in_parts(items.subspan(half), run, failed);
}

}  // namespace watchkeeper::storage
