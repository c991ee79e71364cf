#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/hot_store.hpp"

/// Computes how merges and heartbeats change the values that Redis holds of a student, so that
/// Redis only has to compare and to write (docs/adr/0017-one-rule-in-one-language.md). Pure.
namespace watchkeeper::storage::redis_cas {

/// What was read of one student: values as docs/storage-format.md has them. An empty value stands
/// for a key that is absent.
struct student_values {
  std::string_view student;
  boost::container::small_vector<std::pair<module_id, std::string_view>, 1> pairs;
  /// By the tag. May lack sessions: `decide` says which it needs.
  boost::container::small_vector<std::pair<std::uint64_t, std::string_view>, 1> sessions;
};

/// What is asked for one student: first the merges, then the requests, each in order. The numbers
/// choose those of the student from a batch.
struct question {
  std::span<const pair_progress> pairs;
  std::span<const std::uint16_t> merges;
  merge_origin from = merge_origin::ledger;
  std::span<const hot_request> requests;
  std::span<const std::uint16_t> chain;
  /// Of Redis now. A pair that was compared with the ledger in another one may be older than the
  /// ledger, or lack changes that memory has: it counts as missing.
  std::uint64_t incarnation = 0;
};

struct pair_write {
  // Bits of `what`.
  static constexpr std::uint8_t dirty = 1;      // the pair is to be in the dirty set
  static constexpr std::uint8_t mark_anew = 2;  // put it there even if its mark says it is
  static constexpr std::uint8_t is_new = 4;     // add it to the student's pairs

  module_id module;
  std::string expected_nonce;
  std::string after;
  std::uint8_t what = 0;
};

struct session_write {
  std::uint64_t tag = 0;
  bool is_compared = false;  // with `expected`; else the window in the pair is proof enough
  std::string expected;
  std::string after;
};

struct decision {
  enum class kind : std::uint8_t {
    write,           // the results hold if Redis still has what was read
    nothing,         // nothing is to be written: the results hold for the values as they were read
    needs_sessions,  // the values of sessions are missing, and there are no results
    corrupt,         // a value does not have the format, and there are no results
  };
  kind what = kind::nothing;
  std::string expected_student_nonce;
  std::string student_after;  // empty: the student's value stays
  boost::container::small_vector<pair_write, 1> pairs;
  std::vector<session_write> sessions;
};

/// A random number that is not 0.
using nonce_source = std::function<std::uint64_t()>;

/// Decides what becomes of the values. Puts the results of the requests into `applied`, in step
/// with `question::requests`.
decision decide(const student_values& before, const question& asked,
                std::span<applied_credit> applied, const nonce_source& next_nonce);

}  // namespace watchkeeper::storage::redis_cas
