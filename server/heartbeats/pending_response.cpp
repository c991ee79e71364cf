#include "server/heartbeats/pending_response.hpp"

#include <memory>

#include "net/shared/problem_response.hpp"
#include "server/heartbeats/result_json.hpp"

namespace watchkeeper::server {

void pending_response::on_result(std::size_t index,
                                 const actors::heartbeat_result& result) noexcept {
  (all_ ? (*all_)[index] : first_) = result;
  if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) finish();
}

void pending_response::finish() noexcept {
  // First: the response wakes the I/O thread, which passes on what has waited for this.
  if (in_flight_ != nullptr) in_flight_->fetch_sub(tokens_, std::memory_order_release);
  const auto now_ms = time_.wall_now();
  const std::span<const actors::heartbeat_result> results =
      all_ ? std::span<const actors::heartbeat_result>(all_->data(), tokens_)
           : std::span<const actors::heartbeat_result>(&first_, 1);
  if (tokens_ == 1 && first_.outcome.status == credit_status::rejected) {
    const auto& info = describe(first_.outcome.why);
    const bool later = info.http_status == 503 || info.http_status == 429;
    responses_.respond(
        to_, net::make_problem(first_.outcome.why, first_.detail, now_ms,
                               later ? std::optional(retry_after_s(
                                           first_, static_cast<std::uint32_t>(to_.connection)))
                                     : std::nullopt));
    return;
  }
  net::http_response response;
  if (minimal_) {
    bool all_well = true;
    for (const auto& result : results)
      all_well = all_well && (result.outcome.status == credit_status::credited ||
                              result.outcome.status == credit_status::duplicate);
    if (all_well) {
      response.status = 204;
      response.headers.emplace_back("preference-applied", "return=minimal");
      responses_.respond(to_, std::move(response));
      return;
    }
  }
  response.content_type = "application/json";
  response.body = results_document(results, now_ms);
  responses_.respond(to_, std::move(response));
}

}  // namespace watchkeeper::server
