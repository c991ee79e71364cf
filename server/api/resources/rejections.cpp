// /v1/students/{student}/refusals: the latest rejections and limitations of a student.
#include "base/calendar.hpp"
#include "base/json_writer.hpp"
#include "server/api/call.hpp"

namespace watchkeeper::server {

net::http_response list_student_refusals(call& c) {
  std::string body;
  json_writer out(body);
  out.begin_object().key("items").begin_array();
  for (const auto& entry : c.gateway.refusals_of(c.student_at(0), c.query.limit())) {
    const bool rejected = entry.status == credit_status::rejected;
    const char* status = rejected                                 ? "rejected"
                         : entry.status == credit_status::limited ? "limited"
                                                                  : "duplicate";
    out.begin_object()
        .member("at", rfc3339(entry.at_ms))
        .member("module", entry.module.view())
        .member("device", entry.device.text())
        .member("session", entry.session.view())
        .member("sequence", entry.sequence)
        .member("status", status)
        .key("problem");
    if (rejected)
      out.value(describe(entry.why).name);
    else
      out.null();
    out.member("detail", entry.detail).key("refused");
    if (entry.refused.empty())
      out.null();
    else
      out.begin_array().value(entry.refused.from_ms).value(entry.refused.to_ms).end_array();
    out.member("kind", actors::name_of(entry.kind)).end_object();
  }
  // One page has them all: refusal_log::per_student_max.
  out.end_array().key("next").null().end_object();
  return json_response(std::move(body));
}

}  // namespace watchkeeper::server
