#pragma once

#include <boost/pfr/core.hpp>
#include <boost/test/unit_test.hpp>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <ranges>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

/// Lets Boost.Test print what has no operator<<: enumerators by name, ids by their text, optionals,
/// variants, ranges, pairs, and the members of aggregates. So BOOST_TEST(found ==
/// problem::stale_token) says what was found. Part of the precompiled header of every test program.
namespace watchkeeper::testing {

template <class T>
concept streamable = requires(std::ostream& out, const T& value) {
  out << value;
};

/// "stale_token" of problem::stale_token; empty if Value is no enumerator.
template <auto Value>
[[nodiscard]] constexpr std::string_view enumerator_name() {
  // "… [with auto Value = watchkeeper::problem::stale_token; …]", or "(watchkeeper::problem)77".
  std::string_view name = __PRETTY_FUNCTION__;
  name.remove_prefix(name.find("Value = ") + 8);
  name = name.substr(0, name.find_first_of(";]"));
  if (name.front() == '(') return {};
  return name.substr(name.rfind(':') + 1);
}

/// Enumerators from 0 on that are looked for; what has a larger value is printed as a number.
inline constexpr std::size_t enumerators_max = 64;

template <class Enum, std::size_t... Values>
[[nodiscard]] std::string_view name_of(Enum value, std::index_sequence<Values...>) {
  std::string_view name;
  static_cast<void>(((static_cast<Enum>(Values) == value
                          ? (name = enumerator_name<static_cast<Enum>(Values)>(), true)
                          : false) ||
                     ...));
  return name;
}

template <class T>
void print(std::ostream& out, const T& value);

template <class T>
void print_members(std::ostream& out, const T& value) {
  out << '{';
  boost::pfr::for_each_field(value, [&](const auto& member, std::size_t i) {
    if (i > 0) out << ", ";
    print(out, member);
  });
  out << '}';
}

template <std::ranges::input_range T>
void print_elements(std::ostream& out, const T& range) {
  constexpr std::size_t shown_max = 20;
  std::size_t i = 0;
  out << '[';
  for (const auto& each : range) {
    if (i > 0) out << ", ";
    if (i++ == shown_max) {
      out << "…";
      break;
    }
    print(out, each);
  }
  out << ']';
}

template <class T>
void print(std::ostream& out, const T& value) {
  if constexpr (std::same_as<T, bool>) {
    out << (value ? "true" : "false");
  } else if constexpr (std::is_enum_v<T>) {
    const auto name = name_of(value, std::make_index_sequence<enumerators_max>());
    if (name.empty())
      out << +static_cast<std::underlying_type_t<T>>(value);
    else
      out << name;
  } else if constexpr (streamable<T>) {
    out << value;
  } else if constexpr (requires { std::variant_size<T>::value; }) {
    if (value.valueless_by_exception())
      out << "no value";
    else
      std::visit([&](const auto& alternative) { print(out, alternative); }, value);
  } else if constexpr (std::same_as<T, std::byte>) {
    out << std::to_integer<int>(value);
  } else if constexpr (requires {
                         { value.view() } -> std::convertible_to<std::string_view>;
                       }) {
    out << std::string_view{value.view()};
  } else if constexpr (requires {
                         value.has_value();
                         *value;
                       }) {
    if (value.has_value())
      print(out, *value);
    else
      out << "nothing";
  } else if constexpr (requires {
                         value.get();
                         static_cast<bool>(value);
                       }) {
    out << static_cast<const void*>(value.get());
  } else if constexpr (requires {
                         value.first;
                         value.second;
                       }) {
    out << '(';
    print(out, value.first);
    out << ", ";
    print(out, value.second);
    out << ')';
  } else if constexpr (requires {
                         { value.value() } -> std::same_as<std::int64_t>;
                       }) {
    out << value.value();  // a moment
  } else if constexpr (std::ranges::input_range<const T>) {
    print_elements(out, value);
  } else if constexpr (std::is_aggregate_v<T>) {
    print_members(out, value);
  } else {
    out << "a value of " << sizeof(T) << " bytes";
  }
}

}  // namespace watchkeeper::testing

namespace boost::test_tools::tt_detail {

template <class T>
requires(std::is_enum_v<T> ||
         (!watchkeeper::testing::streamable<T> && !std::is_array_v<T> && !std::is_function_v<T> &&
          std::is_object_v<T>)) struct print_log_value<T> {
  void operator()(std::ostream& out, const T& value) { watchkeeper::testing::print(out, value); }
};

}  // namespace boost::test_tools::tt_detail
