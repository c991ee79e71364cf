#include "server/api/documents/json_body.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "net/shared/media_type.hpp"
#include "server/api/api_limits.hpp"
#include "server/api/api_problem.hpp"

namespace watchkeeper::server {
namespace {

/// Follows the parser and rejects what it accepts: members given twice, and deep nesting.
class strictness {
 public:
  bool operator()(nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    switch (event) {
      case nlohmann::json::parse_event_t::object_start:
      case nlohmann::json::parse_event_t::array_start:
        if (names_.size() >= api_limits::json_depth_max)
          throw api_problem(problem::malformed_request,
                            "The body has more than " + std::to_string(api_limits::json_depth_max) +
                                " levels of nesting");
        names_.emplace_back();
        break;
      case nlohmann::json::parse_event_t::object_end:
      case nlohmann::json::parse_event_t::array_end:
        names_.pop_back();
        break;
      case nlohmann::json::parse_event_t::key:
        // The name comes from the client and may be anything: the detail does not repeat it.
        if (!names_.back().insert(parsed.get_ref<const std::string&>()).second)
          throw api_problem(problem::malformed_request, "The body has a member more than once");
        break;
      case nlohmann::json::parse_event_t::value:
        break;
    }
    return true;
  }

 private:
  std::vector<std::set<std::string>> names_;
};

constexpr std::string_view json_type = "application/json";
constexpr std::string_view merge_patch_type = "application/merge-patch+json";

nlohmann::json parse_body(const net::http_request& request) {
  strictness strict;
  nlohmann::json document;
  try {
    document = nlohmann::json::parse(
        request.body, [&](int, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
          return strict(event, parsed);
        });
  } catch (const nlohmann::json::parse_error& error) {
    throw api_problem(
        problem::malformed_request,
        request.body.empty()
            ? "The body is empty; it must be a JSON object"
            : "The body must be JSON in UTF-8; the error is at byte " + std::to_string(error.byte));
  } catch (const nlohmann::json::exception&) {
    throw api_problem(problem::malformed_request, "The body has a number that is too large");
  }
  if (!document.is_object())
    throw api_problem(problem::malformed_request, "The body must be a JSON object");
  return document;
}

}  // namespace

nlohmann::json parse_object(const net::http_request& request) {
  if (!request.content_type.empty() && !net::is_media_type(request.content_type, json_type))
    throw api_problem(problem::unsupported_media_type, "The body must be application/json");
  return parse_body(request);
}

nlohmann::json parse_merge_patch(const net::http_request& request) {
  if (!request.content_type.empty() &&
      !net::is_media_type(request.content_type, merge_patch_type) &&
      !net::is_media_type(request.content_type, json_type))
    throw api_problem(problem::unsupported_media_type,
                      "The body must be application/merge-patch+json");
  return parse_body(request);
}

void object_reader::only(std::initializer_list<std::string_view> allowed) const {
  for (const auto& [name, value] : object_.items()) {
    if (std::find(allowed.begin(), allowed.end(), std::string_view(name)) != allowed.end())
      continue;
    std::string names;
    for (const auto one : allowed) {
      if (!names.empty()) names += ", ";
      names += one;
    }
    throw api_problem(problem::malformed_request,
                      where_.empty() ? "The body has an unknown member; it may have " + names
                                     : "The body has an unknown member in " +
                                           std::string(where_.substr(0, where_.size() - 1)) +
                                           "; it may have " + names);
  }
}

bool object_reader::has(std::string_view name) const {
  return object_.contains(std::string(name));
}

void object_reader::fail(std::string_view name, std::string_view right) const {
  throw api_problem(problem::malformed_request,
                    std::string(where_) + std::string(name) + " must be " + std::string(right));
}

const nlohmann::json& object_reader::need(std::string_view name, std::string_view right) const {
  const auto found = object_.find(std::string(name));
  if (found == object_.end())
    throw api_problem(
        problem::malformed_request,
        std::string(where_) + std::string(name) + " is missing; it must be " + std::string(right));
  return *found;
}

const std::string& object_reader::text(std::string_view name, std::string_view right) const {
  const auto& value = need(name, right);
  if (!value.is_string()) fail(name, right);
  return value.get_ref<const std::string&>();
}

std::int64_t object_reader::integer(std::string_view name, std::int64_t low,
                                    std::int64_t high) const {
  const auto right = "an integer from " + std::to_string(low) + " to " + std::to_string(high);
  const auto& value = need(name, right);
  if (!value.is_number_integer()) fail(name, right);
  // An unsigned value over 2^63 would turn negative when read as a signed one.
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(high))
    fail(name, right);
  const auto number = value.get<std::int64_t>();
  if (number < low || number > high) fail(name, right);
  return number;
}

std::int64_t object_reader::scaled(std::string_view name, double low, double high, int decimals,
                                   std::string_view right) const {
  const auto& value = need(name, right);
  if (!value.is_number()) fail(name, right);
  const auto number = value.get<double>();
  if (!(number >= low && number <= high)) fail(name, right);
  const double scale = std::pow(10.0, decimals);
  const double scaled = std::round(number * scale);
  // 33.333 has no exact binary form; what is further off than rounding explains has more decimals.
  if (std::abs(scaled - number * scale) > 1e-6) fail(name, right);
  return static_cast<std::int64_t>(scaled);
}

}  // namespace watchkeeper::server
