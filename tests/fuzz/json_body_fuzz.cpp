// libFuzzer target of what the server reads from requests. The first byte says what the rest is:
// any body, that of a module, a device, a sign-in, one or several heartbeats, a stream of them, or
// a query.
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "base/base64url.hpp"
#include "crypto/device_key.hpp"
#include "domain/limits.hpp"
#include "net/shared/problem_response.hpp"
#include "server/api/api_limits.hpp"
#include "server/api/api_problem.hpp"
#include "server/api/documents/json_body.hpp"
#include "server/api/documents/request_bodies.hpp"
#include "server/api/query.hpp"
#include "storage/limits.hpp"
#include "tests/fuzz/heartbeat_bodies.hpp"
#include "tests/fuzz/require.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;
using nlohmann::json;

namespace {

constexpr wall_ms now_ms{1'763'812'345'123};

/// Counts what a parser that lets everything pass meets.
class counter : public nlohmann::json_sax<json> {
 public:
  std::size_t keys = 0;
  std::size_t depth_max = 0;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return deeper(); }
  bool key(string_t&) override { return ++keys > 0; }
  bool end_object() override { return depth_-- > 0; }
  bool start_array(std::size_t) override { return deeper(); }
  bool end_array() override { return depth_-- > 0; }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override {
    return false;
  }

 private:
  bool deeper() {
    depth_max = std::max(depth_max, ++depth_);
    return true;
  }
  std::size_t depth_ = 0;
};

std::size_t members_of(const json& value) {
  std::size_t count = value.is_object() ? value.size() : 0;
  if (value.is_structured())
    for (const auto& each : value) count += members_of(each);
  return count;
}

/// The detail is ours: it has no byte of the body.
void check_problem(const api_problem& why) {
  REQUIRE(why.what_problem() == problem::malformed_request ||
          why.what_problem() == problem::unsupported_media_type);
  REQUIRE(!why.detail().empty() && why.detail().size() <= 400);
  for (const char c : why.detail()) REQUIRE(c >= 0x20 && c < 0x7f);
  const auto answer = net::make_problem(why.what_problem(), why.detail(), now_ms);
  REQUIRE(json::parse(answer.body)["detail"] == why.detail());
}

/// What `read` gives, or nothing if it throws api_problem. Any other exception ends the process.
template <class Read>
auto accepted(const Read& read) -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (const api_problem& why) {
    check_problem(why);
    return std::nullopt;
  }
}

net::http_request request_of(std::string_view body) {
  net::http_request request;
  request.method = net::http_method::put;
  request.content_type = "application/json";
  request.body = body;
  return request;
}

void check_any(std::string_view body) {
  const auto document = accepted([&] { return parse_object(request_of(body)); });
  if (!document) return;
  REQUIRE(document->is_object());
  counter seen;
  REQUIRE(json::sax_parse(body, &seen));
  REQUIRE(seen.depth_max <= api_limits::json_depth_max);
  REQUIRE(seen.keys == members_of(*document));  // none was given twice
  REQUIRE(json::parse(document->dump()) == *document);
}

void check_module(std::string_view body) {
  const auto id = *module_id::parse("m1");
  const auto module = accepted([&] { return read_module(request_of(body), id, now_ms); });
  if (!module) return;
  REQUIRE(module->id == id && module->updated_ms == now_ms);
  REQUIRE(!module->title.empty() && module->title.size() <= api_limits::title_bytes_max);
  for (const char c : module->title) REQUIRE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  const auto& rules = module->rules;
  REQUIRE(rules.duration_ms >= 1 && rules.duration_ms <= limits::media_duration_ms_max);
  REQUIRE(rules.mastery_centipercent >= 1 && rules.mastery_centipercent <= 10'000);
  REQUIRE(rules.max_rate_permille >= 250 && rules.max_rate_permille <= 16'000);
  REQUIRE(mastery_measured_ms(rules) >= 1 && mastery_measured_ms(rules) <= rules.duration_ms);
  const auto& url = module->preview_url;
  REQUIRE(url.size() <= api_limits::preview_url_bytes_max);
  REQUIRE(url.empty() || url.starts_with("https://") ||
          (url.starts_with('/') && !url.starts_with("//")));
  for (const char c : url) REQUIRE(c > 0x20 && c < 0x7f && c != '\\' && c != '<' && c != '"');

  // As the API gives it out again it is accepted, and says the same.
  json again{{"title", module->title},
             {"duration_ms", rules.duration_ms},
             {"mastery_threshold", rules.mastery_centipercent / 100.0},
             {"max_rate", rules.max_rate_permille / 1000.0}};
  if (!url.empty()) again["preview_url"] = url;
  REQUIRE(read_module(request_of(again.dump()), id, now_ms) == *module);
}

void check_device(std::string_view body) {
  constexpr std::string_view marker = "of jwk, which is ";
  thumbprint kid;
  try {
    (void)read_device(request_of(body), kid, now_ms);
    REQUIRE(false && "no key has this thumbprint");
  } catch (const api_problem& why) {
    check_problem(why);
    // What only lacked the right kid is sent once more with it.
    const auto at = why.detail().find(marker);
    if (at == std::string::npos) return;
    const auto right = thumbprint::parse(why.detail().substr(at + marker.size()));
    REQUIRE(right);
    kid = *right;
  }
  const auto device = accepted([&] { return read_device(request_of(body), kid, now_ms); });
  if (!device) return;
  REQUIRE(device->kid == kid && crypto::thumbprint_of(device->key) == kid);
  REQUIRE(student_id::parse(device->student.view()) == device->student);
  REQUIRE(!device->revoked && device->created_ms == now_ms);
  const auto raw = device->key.raw();
  const bool is_p256 = device->key.algorithm == signature_algorithm::es256;
  const auto checked =
      is_p256 ? crypto::make_p256_key(raw.first(32), raw.last(32)) : crypto::make_ed25519_key(raw);
  REQUIRE(checked && *checked == device->key);
  const auto text = std::string(body);
  for (const auto* secret : {"d", "k", "p"}) REQUIRE(!json::parse(text)["jwk"].contains(secret));
}

void check_login(std::string_view body) {
  const auto token = accepted([&] { return read_login(request_of(body)); });
  if (!token) return;
  REQUIRE(json::parse(body) == (json{{"token", *token}}));
}

void check_query(std::string_view text) {
  static constexpr std::string_view known[] = {"limit", "cursor", "after", "bins", "token"};
  const auto query = accepted([&] { return query_parameters(text, known); });
  if (!query) return;
  if (const auto limit = accepted([&] { return query->limit(); }))
    REQUIRE(*limit >= 1 && *limit <= storage_limits::list_items_max);
  if (const auto cursor = accepted([&] { return query->cursor(); }))
    REQUIRE(cursor->empty() || student_id::parse(*cursor));
  if (const auto bins = accepted([&] { return query->count("bins", 1, 1000); }))
    REQUIRE(!*bins || (**bins >= 1 && **bins <= 1000));
  if (const auto after = accepted([&] { return query->sequence("after"); })) REQUIRE(*after >= 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest{reinterpret_cast<const char*>(data) + 1, size - 1};
  switch (data[0] % 8) {
    case 0:
      check_any(rest);
      break;
    case 1:
      check_module(rest);
      break;
    case 2:
      check_device(rest);
      break;
    case 3:
      check_login(rest);
      break;
    case 4:
    case 5:
      fuzz::check_heartbeats(rest);
      break;
    case 6:
      fuzz::check_stream(rest);
      break;
    default:
      check_query(rest);
  }
  return 0;
}
