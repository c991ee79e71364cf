#include "server/api/query.hpp"

#include <algorithm>
#include <charconv>

#include "base/percent_decode.hpp"
#include "domain/ids.hpp"
#include "server/api/api_limits.hpp"
#include "server/api/api_problem.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::server {
namespace {

std::string decoded(std::string_view text) {
  std::string plain(text);
  std::replace(plain.begin(), plain.end(), '+', ' ');
  auto out = percent_decoded(plain);
  if (!out)
    throw api_problem(problem::malformed_request,
                      "The query has a % without two hexadecimal digits behind it");
  return *std::move(out);
}

std::string names_of(std::span<const std::string_view> allowed) {
  std::string names;
  for (const auto name : allowed) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names.empty() ? "this call has no parameters" : "this call has the parameters " + names;
}

template <class Integer>
Integer integer_between(std::string_view text, std::string_view name, Integer low, Integer high) {
  Integer value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high)
    throw api_problem(problem::malformed_request,
                      "The query parameter " + std::string(name) + " must be an integer from " +
                          std::to_string(low) + " to " + std::to_string(high));
  return value;
}

}  // namespace

query_parameters::query_parameters(std::string_view query,
                                   std::span<const std::string_view> allowed) {
  if (query.size() > api_limits::query_bytes_max)
    throw api_problem(problem::malformed_request, "The query is longer than 1024 bytes");
  while (!query.empty()) {
    const auto item = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), item.size() + 1));
    if (item.empty()) continue;
    const auto equals = item.find('=');
    auto name = decoded(item.substr(0, equals));
    auto value = equals == item.npos ? std::string{} : decoded(item.substr(equals + 1));
    if (std::find(allowed.begin(), allowed.end(), name) == allowed.end())
      throw api_problem(problem::malformed_request,
                        "The query has an unknown parameter; " + names_of(allowed));
    if (find(name))
      throw api_problem(problem::malformed_request,
                        "The query has the parameter " + name + " more than once");
    items_.emplace_back(std::move(name), std::move(value));
  }
}

std::optional<std::string_view> query_parameters::find(std::string_view name) const {
  for (const auto& [item_name, value] : items_)
    if (item_name == name) return value;
  return std::nullopt;
}

std::size_t query_parameters::limit() const {
  const auto text = find("limit");
  if (!text) return api_limits::list_items_default;
  return integer_between<std::size_t>(*text, "limit", 1, storage_limits::list_items_max);
}

std::string_view query_parameters::cursor() const {
  const auto text = find("cursor").value_or(std::string_view{});
  // A list continues behind the id that ended the previous page.
  if (!text.empty() && !student_id::parse(text))
    throw api_problem(problem::malformed_request,
                      "The query parameter cursor must be the value of next of the previous page");
  return text;
}

std::optional<std::size_t> query_parameters::count(std::string_view name, std::size_t low,
                                                   std::size_t high) const {
  const auto text = find(name);
  if (!text) return std::nullopt;
  return integer_between<std::size_t>(*text, name, low, high);
}

std::int64_t query_parameters::sequence(std::string_view name) const {
  const auto text = find(name);
  if (!text) return 0;
  return integer_between<std::int64_t>(*text, name, 0, INT64_MAX);
}

}  // namespace watchkeeper::server
