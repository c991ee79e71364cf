#include "sdk/c/response_document.hpp"

#include <algorithm>
#include <span>

#include "base/json_scanner.hpp"
#include "domain/limits.hpp"

namespace watchkeeper::sdk {
namespace {

constexpr std::string_view problem_prefix = "urn:watchkeeper:problem:";
// Before 2001 or after the year 5138: no clock says so.
constexpr std::int64_t server_time_ms_min = 1'000'000'000'001;
constexpr std::int64_t server_time_ms_max = 99'999'999'999'999;

class response_parser {
 public:
  response_parser(std::string& text, std::size_t tokens)
      : json_(std::span{text.data(), text.size()}), tokens_(tokens) {}

  std::optional<response_document> parse() {
    response_document made;
    std::optional<std::int64_t> server_time_ms;
    std::optional<std::string_view> type;
    const bool good = object([&](std::string_view name) {
      if (name == "server_time") return thousandths(server_time_ms, server_time_ms_max);
      if (name == "results") return results(made.results.emplace());
      if (name == "type") return text(type);
      return json_.skip_value();
    });
    if (!good || !json_.at_end()) return std::nullopt;
    if (server_time_ms >= server_time_ms_min) made.server_time_ms = wall_ms(*server_time_ms);
    if (type && type->starts_with(problem_prefix) &&
        is_problem_name(type->substr(problem_prefix.size())))
      made.problem = type->substr(problem_prefix.size());
    return made;
  }

 private:
  template <class Member>
  bool object(Member member) {
    if (!json_.consume('{')) return false;
    if (json_.consume('}')) return true;
    do {
      const auto name = json_.string();
      if (!name || !json_.consume(':') || !member(*name)) return false;
    } while (json_.consume(','));
    return json_.consume('}');
  }

  /// A text; anything else leaves `into` empty. False if it is not JSON.
  bool text(std::optional<std::string_view>& into) {
    const auto before = json_;
    into = json_.string();
    if (into) return true;
    json_ = before;
    return json_.skip_value();
  }

  /// A number in thousandths, of which a fraction is cut off, from 0 to `max`. Anything else leaves
  /// `into` empty. False if it is not JSON.
  bool thousandths(std::optional<std::int64_t>& into, std::int64_t max) {
    const auto before = json_;
    const auto number = json_.number();
    const auto value = number ? to_thousandths(*number) : std::nullopt;
    into.reset();
    if (value && value->floor >= 0 && value->floor <= max) into = value->floor;
    if (number) return true;
    json_ = before;
    return json_.skip_value();
  }
  bool integer(std::optional<std::int64_t>& into, std::int64_t max) {
    const bool good = thousandths(into, max * 1000 + 999);
    if (into) *into /= 1000;
    return good;
  }

  bool results(std::vector<result_entry>& into) {
    into.clear();
    if (!json_.consume('[')) return false;
    if (json_.consume(']')) return true;
    do {
      if (into.size() == tokens_ || !entry(into.emplace_back())) return false;
    } while (json_.consume(','));
    return json_.consume(']');
  }

  bool entry(result_entry& into) {
    return object([&](std::string_view name) {
      if (name == "status") return text(into.status);
      if (name == "problem") return text(into.problem);
      if (name == "sid") return text(into.session);
      if (name == "state") return text(into.state);
      if (name == "sn") return integer(into.sequence, limits::sequence_max);
      if (name == "credited_ms") return integer(into.credited_ms, limits::media_duration_ms_max);
      if (name == "seconds_watched")
        return integer(into.seconds_watched, limits::media_duration_ms_max);
      if (name == "resume_ms") return integer(into.resume_ms, limits::media_duration_ms_max);
      if (name == "completion_percentage") return thousandths(into.completion_thousandths, 100'000);
      return json_.skip_value();
    });
  }

  json_scanner json_;
  std::size_t tokens_;
};

}  // namespace

bool is_problem_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::optional<response_document> parse_response(std::string& body, std::size_t tokens) {
  return response_parser{body, tokens}.parse();
}

}  // namespace watchkeeper::sdk
