#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "domain/ids.hpp"

/// The names of docs/storage-format.md. Every key of a partition carries its hash tag, "{p17}".
/// '/' separates a student from a module: it is outside the alphabet of ids, ':' is not.
namespace watchkeeper::storage::redis_keys {

inline constexpr std::string_view deployment = "wk:deployment";
/// The ledger from which pairs were marked clean.
inline constexpr std::string_view ledger = "wk:ledger";
/// Of every pair, for SCAN.
inline constexpr std::string_view all_progress = "wk:{p*}:progress:*";

std::string progress(partition_index partition, const pair_key& pair);
std::string student(partition_index partition, const student_id& student);
std::string session(partition_index partition, const student_id& student, std::uint64_t tag);
std::string dirty(partition_index partition);
std::string pairs(partition_index partition, const student_id& student);

/// "<student>/<module>", a member of a dirty set.
std::string member(const pair_key& pair);
std::optional<pair_key> parse_member(std::string_view text) noexcept;
/// The member of a key that progress() gives; empty: it is none.
std::string_view member_of_progress(std::string_view key) noexcept;

}  // namespace watchkeeper::storage::redis_keys
