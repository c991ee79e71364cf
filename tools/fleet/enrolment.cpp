#include "tools/fleet/enrolment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <utility>

#include "crypto/device_signer.hpp"
#include "tools/fleet/http2_connection.hpp"
#include "tools/fleet/limits.hpp"
#include "tools/fleet/simple_client.hpp"

namespace watchkeeper::fleet {
namespace {

class enrolment final : public connection_observer {
 public:
  enrolment(http2_client& client, const std::vector<fleet_device>& devices,
            std::string authorization)
      : client_(client),
        devices_(devices),
        authorization_(std::move(authorization)),
        attempts_(devices.size()) {
    for (std::size_t i = 0; i < devices.size(); ++i) waiting_.push_back(i);
    const auto count = std::min(fleet_limits::admin_connections_max,
                                devices.size() / fleet_limits::admin_streams_in_flight + 1);
    for (std::size_t i = 0; i < count; ++i)
      connections_.push_back(std::make_unique<http2_connection>(client, i, this));
  }

  result<ok_t, std::string> run(const std::function<bool()>& stop,
                                const std::function<void(std::size_t)>& progress) {
    for (auto& connection : connections_) connection->open();
    while (failure_.empty() && done_ < devices_.size()) {
      if (stop()) return std::string("stopped while the devices were being enrolled");
      client_.loop().run_once(client_.loop().now() + std::chrono::milliseconds(200));
      for (auto& connection : connections_) feed(*connection);
      progress(done_);
    }
    for (auto& connection : connections_) connection->close();
    if (!failure_.empty()) return failure_;
    return ok;
  }

  void on_open(http2_connection& connection) override {
    losses_ = 0;
    feed(connection);
  }
  void on_lost(http2_connection&) override {
    if (++losses_ > fleet_limits::enrol_attempts_max * connections_.size())
      failure_ = "the devices cannot be enrolled: " + client_.last_failure();
  }

 private:
  void feed(http2_connection& connection) {
    while (!waiting_.empty() && connection.is_open() &&
           connection.in_flight() < std::min(fleet_limits::admin_streams_in_flight,
                                             connection.in_flight() + connection.room())) {
      const auto number = waiting_.front();
      const auto& device = devices_[number];
      const auto path = "/v1/devices/" + device.key.kid_text();
      http2_request what;
      what.method = "PUT";
      what.path = path;
      what.content_type = "application/json";
      what.authorization = authorization_;
      what.body = fmt::format(R"({{"student":"{}","jwk":{}}})", device.student.view(),
                              crypto::public_jwk_json(device.key.public_key()));
      if (!connection.request(std::move(what), [this, number](http2_response&& response) {
            on_response(number, response);
          }))
        return;
      waiting_.pop_front();
    }
  }

  void on_response(std::size_t number, const http2_response& response) {
    if (response.error == transport_error::none && response.status / 100 == 2) {
      ++done_;
      return;
    }
    const bool passing =
        response.error != transport_error::none || response.status == 429 || response.status == 503;
    if (passing && ++attempts_[number] < fleet_limits::enrol_attempts_max) {
      const std::chrono::milliseconds pause{
          response.retry_after_s.value_or(0) * 1000 +
          std::uniform_int_distribution<std::int64_t>(0, 500)(random_)};
      client_.loop().at(client_.loop().now() + pause,
                        [alive = std::weak_ptr<bool>(alive_), this, number] {
                          if (!alive.expired()) waiting_.push_back(number);
                        });
      return;
    }
    if (!failure_.empty()) return;
    const auto why = response.error != transport_error::none ? std::string{describe(response.error)}
                                                             : explain_refusal(response);
    failure_ =
        response.status == 401 || response.status == 403
            ? "the gateway does not take the admin token: " + why
            : fmt::format("device {} cannot be enrolled: {}", devices_[number].key.kid_text(), why);
  }

  http2_client& client_;
  const std::vector<fleet_device>& devices_;
  std::string authorization_;
  std::deque<std::size_t> waiting_;
  std::vector<std::size_t> attempts_;
  std::size_t done_ = 0;
  std::size_t losses_ = 0;
  std::string failure_;
  std::mt19937_64 random_{std::random_device{}()};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::vector<std::unique_ptr<http2_connection>> connections_;
};

}  // namespace

result<ok_t, std::string> enrol_devices(http2_client& client,
                                        const std::vector<fleet_device>& devices,
                                        const std::string& admin_token,
                                        const std::function<bool()>& stop,
                                        const std::function<void(std::size_t)>& progress) {
  enrolment work{client, devices, "Bearer " + admin_token};
  return work.run(stop, progress);
}

}  // namespace watchkeeper::fleet
