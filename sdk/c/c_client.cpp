#include "sdk/c/c_client.hpp"

#include <utility>

#include "domain/given_id.hpp"
#include "sdk/c/defaults.hpp"
#include "sdk/c/gateway_url.hpp"
#include "sdk/c/http2_transport.hpp"

namespace watchkeeper::sdk {
namespace {

/// What is wrong with the numbers; null if they are in range.
const char* find_range_error(const wk_options& given) {
  if (given.interval_max_ms < 100 || given.interval_max_ms > 30'000)
    return "interval_max_ms must be 100 to 30000";
  if (given.heartbeat_ms < 100 || given.heartbeat_ms > given.interval_max_ms)
    return "heartbeat_ms must be 100 to interval_max_ms";
  if (given.full_response_every < 1 ||
      given.full_response_every > sdk_limits::full_response_every_max)
    return "full_response_every must be 1 to 1000";
  if (given.backoff_base_ms < 1 || given.backoff_cap_ms < given.backoff_base_ms ||
      given.backoff_cap_ms > sdk_limits::retry_after_ms_max)
    return "backoff_base_ms must be at least 1, and backoff_cap_ms from there to an hour";
  if (given.request_timeout_ms < 100 || given.request_timeout_ms > 600'000)
    return "request_timeout_ms must be 100 to 600000";
  return nullptr;
}

wk_result read_numbers(const wk_options& given, engine_options& options, std::string& why) {
  const auto student = parse_given_id<student_id>(given.student == nullptr ? "" : given.student);
  if (!student) {
    why = std::string("the student's id must be ") + given_id_form;
    return WK_ERROR_ARGUMENT;
  }
  if (const auto* error = find_range_error(given)) {
    why = error;
    return WK_ERROR_ARGUMENT;
  }
  options.student = *student;
  options.session_keys = given.session_keys != 0;
  options.full_response_every = given.full_response_every;
  options.heartbeat_ms = static_cast<media_ms>(given.heartbeat_ms);
  options.interval_ms_max = static_cast<media_ms>(given.interval_max_ms);
  options.backoff_base_ms = given.backoff_base_ms;
  options.backoff_cap_ms = given.backoff_cap_ms;
  options.request_timeout_ms = given.request_timeout_ms;
  return WK_OK;
}

wk_result make_key(const wk_options& given, wk_client& client, engine_options& options,
                   std::string& why) {
  if (given.signer.sign != nullptr) {
    const auto point = point_of(given.signer.public_key, given.signer.public_key_size);
    const auto identity = point ? identify(*point) : std::nullopt;
    if (!identity) {
      why = "the signer's public key is not a P-256 key of 64, 65 or 91 bytes";
      return WK_ERROR_KEY;
    }
    options.identity = *identity;
    client.key = std::make_unique<c_signer>(given.signer);
    return WK_OK;
  }
  if (given.key_path == nullptr) {
    why = "either key_path or signer must be given";
    return WK_ERROR_KEY;
  }
  auto file = open_key_file(given.key_path);
  if (!file.key) {
    why = file.error;
    return WK_ERROR_KEY;
  }
  options.identity = file.key->identity();
  client.key = std::make_unique<software_signer>(std::move(*file.key));
  return WK_OK;
}

wk_result make_transport(const wk_options& given, wk_client& client, std::string& why) {
  if (given.transport.send != nullptr) {
    client.network = std::make_unique<c_transport>(given.transport, &client);
    return WK_OK;
  }
  const auto url = parse_gateway_url(given.url == nullptr ? "" : given.url, why);
  if (!url) {
    why += "; like https://watch.example.org";
    return WK_ERROR_URL;
  }
  client.network =
      make_http2_transport({*url, given.ca_path == nullptr ? std::string{} : given.ca_path});
  return WK_OK;
}

/// The ports that cannot fail.
void make_other_ports(const wk_options& given, wk_client& client) {
  if (given.clock.now != nullptr) {
    auto clock = std::make_unique<c_clock>(given.clock);
    client.host_clock = clock.get();
    client.clock = std::move(clock);
  } else {
    client.clock = std::make_unique<system_clock>();
  }
  if (given.key_agreement.agree != nullptr)
    client.agreement = std::make_unique<c_agreement>(given.key_agreement);
  else
    client.agreement = std::make_unique<software_agreement>();
  if (given.storage.load != nullptr && given.storage.save != nullptr)
    client.storage = std::make_unique<c_storage>(given.storage);
  else if (given.storage_path != nullptr)
    client.storage = std::make_unique<file_storage>(given.storage_path);
}

}  // namespace

wk_result make_client(const wk_options& given, wk_client& client, std::string& why) {
  engine_options options;
  if (const auto result = read_numbers(given, options, why); result != WK_OK) return result;
  if (const auto result = make_key(given, client, options, why); result != WK_OK) return result;
  if (const auto result = make_transport(given, client, why); result != WK_OK) return result;
  make_other_ports(given, client);
  client.callbacks = given.callbacks;
  engine_ports ports;
  ports.clock = client.clock.get();
  ports.key = client.key.get();
  ports.agreement = client.agreement.get();
  ports.storage = client.storage.get();
  ports.network = client.network.get();
  ports.random = random_number;
  client.engine.emplace(std::move(options), std::move(ports));
  if (client.engine->foreign()) {
    why = "the storage belongs to another student; give each student a storage of their own";
    return WK_ERROR_FOREIGN_STORAGE;
  }
  return WK_OK;
}

}  // namespace watchkeeper::sdk
