#include "sdk/c/response_document.hpp"

#include "base/json_scanner.hpp"

namespace watchkeeper::sdk {
namespace {

constexpr std::string_view problem_prefix = "urn:watchkeeper:problem:";
// A clock before 2001 or after the year 9999 is wrong.
constexpr std::int64_t server_time_ms_min = 1'000'000'000'000;
constexpr std::int64_t server_time_ms_max = 253'402'300'799'000;

class response_parser {
 public:
  response_parser(std::string& text, std::span<const sent_token> sent)
      : json_(std::span{text.data(), text.size()}), sent_(sent) {}

  std::optional<response_document> parse() {
    response_document made;
    const bool good = object([&](std::string_view name) {
      if (name == "server_time") return server_time(made.server_time_ms);
      if (name == "results") return results(made.results.emplace());
      if (name == "type") return problem_type(made.problem);
      return json_.skip_value();
    });
    if (!good || !json_.at_end()) return std::nullopt;
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

  bool string(std::string_view& into) {
    const auto text = json_.string();
    if (text) into = *text;
    return text.has_value();
  }
  /// Of a number, in thousandths; a fraction of a thousandth is cut off.
  std::optional<std::int64_t> thousandths(std::int64_t max) {
    const auto number = json_.number();
    const auto value = number ? to_thousandths(*number) : std::nullopt;
    if (!value || value->floor > max) return std::nullopt;
    return value->floor;
  }
  std::optional<std::int64_t> integer(std::int64_t max) {
    const auto value = thousandths(max * 1000 + 999);
    return value ? std::optional{*value / 1000} : std::nullopt;
  }

  bool server_time(std::optional<unix_ms>& into) {
    into = thousandths(server_time_ms_max);
    return into && *into >= server_time_ms_min;
  }

  bool problem_type(std::string_view& into) {
    std::string_view type;
    if (!string(type)) return false;
    if (type.starts_with(problem_prefix)) into = type.substr(problem_prefix.size());
    return true;
  }

  bool results(std::vector<result_entry>& into) {
    into.clear();
    if (!json_.consume('[')) return false;
    if (json_.consume(']')) return true;
    do {
      if (into.size() == sent_.size() || !entry(into)) return false;
    } while (json_.consume(','));
    return json_.consume(']');
  }

  bool entry(std::vector<result_entry>& into) {
    const auto& token = sent_[into.size()];
    result_entry made;
    progress_report progress;
    std::string_view state;
    int members = 0;
    const bool good = object([&](std::string_view name) {
      if (name == "status") return string(made.status);
      if (name == "problem") return string(made.problem);
      if (name == "state") return string(state);
      if (name == "sid") return session(token);
      if (name == "sn") return integer(limits::sequence_max) == std::int64_t{token.sequence};
      if (name == "credited_ms") {
        const auto value = integer(limits::media_duration_ms_max);
        if (value) made.credited_ms = static_cast<media_ms>(*value);
        return value.has_value();
      }
      return progress_member(name, progress, members);
    });
    if (!good) return false;
    progress.mastered = state == "MASTERED";
    if (members == 3 && (progress.mastered || state == "IN_PROGRESS")) made.progress = progress;
    into.push_back(made);
    return true;
  }

  bool session(const sent_token& token) {
    std::string_view sid;
    return string(sid) && sid == token.session.view();
  }

  /// Counts in `members` those that belong to the progress.
  bool progress_member(std::string_view name, progress_report& into, int& members) {
    std::optional<std::int64_t> value;
    if (name == "seconds_watched") {
      value = integer(limits::media_duration_ms_max);
      into.seconds_watched = static_cast<std::uint32_t>(value.value_or(0));
    } else if (name == "resume_ms") {
      value = integer(limits::media_duration_ms_max);
      into.resume_ms = static_cast<media_ms>(value.value_or(0));
    } else if (name == "completion_percentage") {
      value = thousandths(100'000);
      into.completion_percentage = static_cast<double>(value.value_or(0)) / 1000;
    } else {
      return json_.skip_value();
    }
    ++members;
    return value.has_value();
  }

  json_scanner json_;
  std::span<const sent_token> sent_;
};

}  // namespace

std::optional<response_document> parse_response(std::string& body,
                                                std::span<const sent_token> sent) {
  return response_parser{body, sent}.parse();
}

}  // namespace watchkeeper::sdk
