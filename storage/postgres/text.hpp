#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.hpp"
#include "domain/coverage.hpp"

/// The text forms in which values go to PostgreSQL and come back.
namespace watchkeeper::storage::postgres {

/// An array literal, `{"a","b"}`: every element quoted, so that no text is special (NULL, commas,
/// braces, an empty string).
class array_literal {
 public:
  void add(std::string_view element);
  void add(std::int64_t element);
  void add(wall_ms element) { add(element.value()); }
  /// As bytea in hexadecimal.
  void add_bytes(std::string_view bytes);
  /// Ends the literal; nothing may be added afterwards.
  [[nodiscard]] const std::string& text();

 private:
  void separate();
  std::string text_ = "{";
  bool ended_ = false;
};

/// `\x…`
std::string bytea(std::string_view bytes);
/// Nothing unless `text` is `\x` and an even number of lower-case hexadecimal digits.
std::optional<std::string> parse_bytea(std::string_view text);

/// int4multirange: `{[0,10000),[20000,30000)}`.
std::string multirange(const coverage& covered);
/// Nothing unless `text` is what `multirange` gives of some coverage. Any number of pieces: the
/// upsert of a checkpoint may give more than limits::coverage_intervals_max.
std::optional<coverage> parse_multirange(std::string_view text);

/// Ranges as a multirange has them: `{[0,100),[200,300)}`, sorted and disjoint, with gaps of any
/// size. Nothing where the text is none.
std::optional<std::vector<media_interval>> parse_ranges(std::string_view text);

/// An array of numbers, `{1,2,3}`. Nothing where the text is none.
std::optional<std::vector<std::int64_t>> parse_numbers(std::string_view text);

}  // namespace watchkeeper::storage::postgres
