#include "storage/completion_event.hpp"

#include <fmt/format.h>

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/string_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

#include "base/calendar.hpp"

namespace watchkeeper::storage {

std::string completion_event_id(const completion& event) {
  static const auto project = boost::uuids::string_generator{}(completion_event_namespace.begin(),
                                                               completion_event_namespace.end());
  const boost::uuids::name_generator_sha1 version_5(project);
  auto name =
      fmt::format("{}/{}/{}", event.student.view(), event.module.view(), event.rule_version);
  if (event.life != life_before_lives)
    name += fmt::format("/{}/{}", event.life.epoch, event.life.attempt);
  return boost::uuids::to_string(version_5(name));
}

void write_completion_event(json_writer& out, const completion& event, std::string_view source) {
  const auto time = rfc3339(event.mastered_ms);
  const auto subject = fmt::format("{}/{}", event.student.view(), event.module.view());
  const auto covered = completion_centipercent(event.covered_ms, event.duration_ms);
  out.begin_object()
      .member("specversion", "1.0")
      .member("id", completion_event_id(event))
      .member("source", source)
      .member("type", "org.watchkeeper.module.mastered.v1")
      .member("subject", subject)
      .member("time", time)
      .member("datacontenttype", "application/json");
  out.key("data")
      .begin_object()
      .member("student", event.student.view())
      .member("module", event.module.view())
      .member("seconds_watched", seconds_watched(event.covered_ms))
      .key("completion_percentage")
      .fixed(covered, 2)
      .member("mastered_at", time)
      .key("threshold")
      .fixed(event.threshold_centipercent, 2)
      .member("attempt", event.life.attempt)
      .member("revision", event.revision)
      .end_object();
  out.end_object();
}

}  // namespace watchkeeper::storage
