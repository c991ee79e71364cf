#include "sdk/c/answer.hpp"

#include <algorithm>
#include <array>

#include "base/json_scanner.hpp"

namespace watchkeeper::sdk {
namespace {

constexpr std::string_view problem_prefix = "urn:watchkeeper:problem:";

struct known {
  const char* name;
  verdict what;
};
// docs/protocol.md, section 4.
constexpr std::array<known, 18> problems{{
    {"malformed-token", verdict::refused},
    {"token-too-large", verdict::refused},
    {"too-many-tokens", verdict::refused},
    {"unknown-device", verdict::enrol},
    {"bad-signature", verdict::refused},
    {"revoked-device", verdict::refused},
    {"subject-mismatch", verdict::refused},
    {"session-mismatch", verdict::refused},
    {"not-assigned", verdict::refused},
    {"unknown-module", verdict::refused},
    {"implausible-interval", verdict::refused},
    {"stale-token", verdict::set_clock},
    {"future-token", verdict::set_clock},
    {"session-key-unknown", verdict::sign_by_device},
    {"rate-limited", verdict::keep},
    {"overloaded", verdict::keep},
    {"storage-unavailable", verdict::keep},
    {"draining", verdict::keep},
}};

// Section 4 too: they say that the request was none for heartbeats (a wrong URL, a proxy that
// changes it), which says nothing of what was in it.
constexpr std::array<std::string_view, 9> request_problems{
    "malformed-request", "unauthorized",           "forbidden",
    "not-found",         "method-not-allowed",     "conflict",
    "payload-too-large", "unsupported-media-type", "request-timeout"};

/// A name that a later gateway may answer with, and that an app's log can show.
bool is_new_problem(std::string_view name) noexcept {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  }) && std::find(request_problems.begin(), request_problems.end(), name) == request_problems.end();
}

bool is_for_good(int status) noexcept {
  return status >= 400 && status <= 499 && status != 408 && status != 425 && status != 429;
}

const known* find_problem(std::string_view name) noexcept {
  const auto found = std::find_if(problems.begin(), problems.end(),
                                  [name](const known& each) { return each.name == name; });
  return found == problems.end() ? nullptr : &*found;
}

token_outcome outcome_of(std::string_view name, const sent_token& of) {
  const auto* found = find_problem(name);
  if (found == nullptr) {
    token_outcome unknown;
    if (is_new_problem(name)) {
      unknown.what = verdict::keep;
      unknown.problem = name;
    }
    return unknown;
  }
  token_outcome made;
  made.what = found->what;
  made.problem = found->name;
  // A key that the two sides disagree on is as good as one that the gateway does not hold.
  if (of.session_key && name == "bad-signature") made.what = verdict::sign_by_device;
  // Where it says so of a device signature it contradicts itself; that must not turn into a loop.
  if (!of.session_key && made.what == verdict::sign_by_device) made.what = verdict::keep;
  return made;
}

std::optional<std::int64_t> whole(json_scanner& json, std::int64_t max) {
  const auto number = json.number();
  const auto value = number ? to_thousandths(*number) : std::nullopt;
  if (!value || value->floor / 1000 > max) return std::nullopt;
  return value->floor / 1000;
}

struct document {
  std::optional<unix_ms> server_time_ms;
  std::optional<std::vector<token_outcome>> results;
  std::string_view type;
};

class reader {
 public:
  reader(std::string& text, std::span<const sent_token> sent)
      : json_(std::span{text.data(), text.size()}), sent_(sent) {}

  std::optional<document> read() {
    document made;
    const bool good = object([&](std::string_view name) {
      if (name == "server_time") {
        const auto number = json_.number();
        const auto value = number ? to_thousandths(*number) : std::nullopt;
        // Before 2001 or after the year 9999: what says so is no clock.
        if (!value || value->floor < 1'000'000'000'000 || value->floor > 253'402'300'799'000)
          return false;
        made.server_time_ms = value->floor;
        return true;
      }
      if (name == "results") return results(made.results.emplace());
      if (name == "type") return string(made.type);
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

  bool results(std::vector<token_outcome>& into) {
    into.clear();
    if (!json_.consume('[')) return false;
    if (json_.consume(']')) return true;
    do {
      if (into.size() == sent_.size() || !result(into)) return false;
    } while (json_.consume(','));
    return json_.consume(']');
  }

  bool result(std::vector<token_outcome>& into) {
    const auto& token = sent_[into.size()];
    std::string_view status, problem, state;
    progress_report progress;
    std::optional<media_ms> credited_ms;
    int members = 0;
    bool same = true;
    const bool good = object([&](std::string_view name) {
      if (name == "status") return string(status);
      if (name == "problem") return string(problem);
      if (name == "state") return string(state);
      if (name == "sid") {
        std::string_view sid;
        if (!string(sid)) return false;
        same = same && sid == token.session.view();
        return true;
      }
      if (name == "sn") {
        const auto value = whole(json_, limits::sequence_max);
        same = same && value == std::int64_t{token.sequence};
        return value.has_value();
      }
      if (name == "credited_ms") {
        const auto value = whole(json_, limits::media_duration_ms_max);
        if (value) credited_ms = static_cast<media_ms>(*value);
        return value.has_value();
      }
      if (name == "seconds_watched" || name == "resume_ms") {
        const auto value = whole(json_, limits::media_duration_ms_max);
        if (!value) return false;
        ++members;
        if (name == "resume_ms")
          progress.resume_ms = static_cast<media_ms>(*value);
        else
          progress.seconds_watched = static_cast<std::uint32_t>(*value);
        return true;
      }
      if (name == "completion_percentage") {
        const auto number = json_.number();
        const auto value = number ? to_thousandths(*number) : std::nullopt;
        if (!value || value->floor > 100'000) return false;
        ++members;
        progress.completion_percentage = static_cast<double>(value->floor) / 1000;
        return true;
      }
      return json_.skip_value();
    });
    if (!good || !same) return false;
    token_outcome made;
    if (status == "rejected") {
      made = outcome_of(problem, token);
    } else if (status == "credited" || status == "limited" || status == "duplicate") {
      made.what = verdict::accepted;
      made.limited = status == "limited";
      made.credited_ms = credited_ms;
      progress.mastered = state == "MASTERED";
      if (members == 3 && (progress.mastered || state == "IN_PROGRESS")) made.progress = progress;
    } else {
      return false;
    }
    into.push_back(made);
    return true;
  }

  json_scanner json_;
  std::span<const sent_token> sent_;
};

void keep_all(answer_reading& reading, std::size_t count, verdict what,
              std::string_view problem = {}) {
  token_outcome each;
  each.what = what;
  each.problem = problem;
  reading.outcomes.assign(count, each);
  reading.pause = true;
}

}  // namespace

answer_reading read_heartbeat_answer(http_answer& answer, std::span<const sent_token> sent,
                                     bool minimal) {
  answer_reading reading;
  const auto status = answer.status;
  if (status == 204 && minimal) {
    token_outcome each;
    each.what = verdict::accepted;
    reading.outcomes.assign(sent.size(), each);
    return reading;
  }
  auto document = answer.too_long ? std::nullopt : reader{answer.body, sent}.read();
  if (document) reading.server_time_ms = document->server_time_ms;

  if (status == 200 && document && document->results && document->results->size() == sent.size()) {
    reading.outcomes = std::move(*document->results);
    reading.pause = std::any_of(
        reading.outcomes.begin(), reading.outcomes.end(), [](const token_outcome& each) {
          return each.what == verdict::keep || each.what == verdict::keep_in_doubt;
        });
    // What it is worth is said by the status that it has alone.
    reading.one_by_one =
        sent.size() > 1 && std::any_of(reading.outcomes.begin(), reading.outcomes.end(),
                                       [](const token_outcome& each) {
                                         return each.what == verdict::keep &&
                                                find_problem(each.problem) == nullptr;
                                       });
    return reading;
  }
  if (status == 429 || status == 503) {
    // Said by a gateway it means "not counted"; a balancer in front of it may say it as well, of a
    // request that the gateway did get.
    auto name = document && document->type.starts_with(problem_prefix)
                    ? document->type.substr(problem_prefix.size())
                    : std::string_view{};
    if (find_problem(name) == nullptr) name = {};
    keep_all(reading, sent.size(), name.empty() ? verdict::keep_in_doubt : verdict::keep, name);
    return reading;
  }
  if (status >= 400 && status <= 499 && document && document->type.starts_with(problem_prefix)) {
    const auto name = document->type.substr(problem_prefix.size());
    if (sent.size() == 1 && find_problem(name) != nullptr) {
      reading.outcomes.push_back(outcome_of(name, sent[0]));
      reading.pause = reading.outcomes[0].what == verdict::keep;
      return reading;
    }
    const bool is_new = find_problem(name) == nullptr && is_new_problem(name);
    if (is_new && is_for_good(status) && sent.size() == 1) {
      token_outcome made;
      made.what = verdict::refused;
      made.problem = name;
      reading.outcomes.push_back(std::move(made));
      return reading;
    }
    keep_all(reading, sent.size(), verdict::keep, find_problem(name) != nullptr ? name : "");
    if (find_problem(name) != nullptr || (is_new && is_for_good(status))) {
      reading.one_by_one = true;
      reading.pause = false;
    } else {
      reading.odd = oddity::not_understood;
    }
    return reading;
  }
  keep_all(reading, sent.size(), verdict::keep_in_doubt);
  if (answer.too_long)
    reading.odd = oddity::too_long;
  else if (status >= 300 && status <= 399)
    reading.odd = oddity::redirected;
  else if (status < 500)
    reading.odd = oddity::not_understood;
  return reading;
}

}  // namespace watchkeeper::sdk
