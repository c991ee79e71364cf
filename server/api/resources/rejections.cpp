// /v1/students/{student}/refusals: the latest rejections and limitations of a student.
#include <nlohmann/json.hpp>

#include "base/base64url.hpp"
#include "net/shared/problem_response.hpp"
#include "server/api/call.hpp"
#include "server/api/documents/json_body.hpp"

namespace watchkeeper::server {

net::http_response list_student_refusals(call& c) {
  nlohmann::ordered_json out;
  out["items"] = nlohmann::ordered_json::array();
  for (const auto& entry : c.gateway.refusals_of(c.student_at(0), c.query.limit())) {
    nlohmann::ordered_json item;
    item["at"] = net::rfc3339(entry.at_ms);
    item["module"] = entry.module.view();
    item["device"] = entry.device.text();
    item["session"] = entry.session.view();
    item["sequence"] = entry.sequence;
    const bool rejected = entry.status == credit_status::rejected;
    item["status"] = rejected                                 ? "rejected"
                     : entry.status == credit_status::limited ? "limited"
                                                              : "duplicate";
    if (rejected)
      item["problem"] = describe(entry.why).name;
    else
      item["problem"] = nullptr;
    item["detail"] = entry.detail;
    item["kind"] = actors::name_of(actors::classify(entry.status, entry.why, entry.detail));
    out["items"].push_back(std::move(item));
  }
  out["next"] = nullptr;  // one page has them all: refusal_log::per_student_max
  return json_response(dump(out));
}

}  // namespace watchkeeper::server
