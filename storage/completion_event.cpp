#include "storage/completion_event.hpp"

#include <fmt/format.h>

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/string_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <chrono>

namespace watchkeeper::storage {
namespace {

std::string rfc3339(unix_ms time_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> time{milliseconds{time_ms}};
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

/// 2833 -> 28.33
std::string percent(std::int32_t centipercent) {
  return fmt::format("{}.{:02}", centipercent / 100, centipercent % 100);
}

/// The source is configured text; ids need no escapes.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out.append({'\\', c});
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out;
}

}  // namespace

std::string completion_event_id(const completion& event) {
  static const auto project = boost::uuids::string_generator{}(completion_event_namespace.begin(),
                                                               completion_event_namespace.end());
  const boost::uuids::name_generator_sha1 version_5(project);
  return boost::uuids::to_string(version_5(
      fmt::format("{}/{}/{}", event.student.view(), event.module.view(), event.rule_version)));
}

std::string completion_event_json(const completion& event, std::string_view source) {
  const auto time = rfc3339(event.mastered_ms);
  return fmt::format(
      R"({{"specversion":"1.0","id":"{id}","source":"{source}",)"
      R"("type":"org.watchkeeper.module.mastered.v1","subject":"{student}/{module}",)"
      R"("time":"{time}","datacontenttype":"application/json","data":{{"student":"{student}",)"
      R"("module":"{module}","seconds_watched":{seconds},"completion_percentage":{percentage},)"
      R"("mastered_at":"{time}","threshold":{threshold}}}}})",
      fmt::arg("id", completion_event_id(event)), fmt::arg("source", escaped(source)),
      fmt::arg("student", event.student.view()), fmt::arg("module", event.module.view()),
      fmt::arg("time", time), fmt::arg("seconds", seconds_watched(event.covered_ms)),
      fmt::arg("percentage", percent(completion_centipercent(event.covered_ms, event.duration_ms))),
      fmt::arg("threshold", percent(event.threshold_centipercent)));
}

}  // namespace watchkeeper::storage
