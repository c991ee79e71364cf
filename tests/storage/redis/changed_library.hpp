#pragma once

#include <boost/test/unit_test.hpp>
#include <string>
#include <string_view>

/// The function library with other behavior: stands in for what others do at Redis in between.
namespace watchkeeper::storage::testing {

/// The source in which the Lua function begins with this line.
inline std::string with_first_line(std::string source, std::string_view function,
                                   std::string_view line) {
  const auto header = "local function " + std::string(function) + "(keys, args)\n";
  const auto at = source.find(header);
  BOOST_REQUIRE(at != std::string::npos);
  return source.insert(at + header.size(), std::string(line) + '\n');
}

}  // namespace watchkeeper::storage::testing
