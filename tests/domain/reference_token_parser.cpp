#include "tests/domain/reference_token_parser.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace watchkeeper::test {
namespace {

using json = nlohmann::json;

/// A top-level member: its kind, and the text of a string or number.
struct member {
  enum class kind { string, unsigned_integer, other_number, something_else } what;
  std::string text;
};

/// Collects the members of one object; false from a callback stops the parser.
class member_collector : public json::json_sax_t {
 public:
  std::map<std::string, member> members;
  bool number_overflow = false;

  bool null() override { return value({member::kind::something_else, ""}); }
  bool boolean(bool) override { return value({member::kind::something_else, ""}); }
  // nlohmann calls this one for a minus sign only.
  bool number_integer(std::int64_t) override { return value({member::kind::other_number, "-"}); }
  bool number_unsigned(std::uint64_t v) override {
    return value({member::kind::unsigned_integer, std::to_string(v)});
  }
  bool number_float(double, const std::string& text) override {
    const bool digits = text.find_first_not_of("0123456789") == std::string::npos;
    return value({digits ? member::kind::unsigned_integer : member::kind::other_number, text});
  }
  bool string(std::string& text) override { return value({member::kind::string, text}); }
  bool binary(json::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool key(std::string& name) override {
    if (depth_ != 1) return true;
    name_ = name;
    return names_.insert(name).second && names_.size() <= 32;
  }
  bool parse_error(std::size_t, const std::string&, const json::exception& error) override {
    number_overflow = error.id == 406;
    return false;
  }

 private:
  bool open(bool object) {
    if (depth_ == 0 && !object) return false;
    if (depth_ == 1) members[name_] = {member::kind::something_else, ""};
    return ++depth_ <= 9;
  }
  bool value(member v) {
    if (depth_ == 0) return false;
    if (depth_ == 1) members[name_] = std::move(v);
    return true;
  }

  int depth_ = 0;
  std::string name_;
  std::set<std::string> names_;
};

std::optional<std::map<std::string, member>> members_of(const std::string& text, bool& gave_up) {
  // Two things that nlohmann lets pass and RFC 8259 does not: a byte order mark, a NUL as the end.
  if (text.find('\0') != std::string::npos) return std::nullopt;
  if (text.rfind("\xef\xbb\xbf", 0) == 0) return std::nullopt;
  member_collector collector;
  const bool valid = json::sax_parse(text, &collector);
  gave_up |= collector.number_overflow;
  if (!valid) return std::nullopt;
  return collector.members;
}

std::optional<std::int64_t> integer_up_to(const std::map<std::string, member>& all,
                                          const std::string& name, std::int64_t highest) {
  const auto found = all.find(name);
  if (found == all.end() || found->second.what != member::kind::unsigned_integer)
    return std::nullopt;
  if (found->second.text.size() > 18) return std::nullopt;
  const auto value = std::stoll(found->second.text);
  if (value > highest) return std::nullopt;
  return value;
}

struct fixed_point {
  std::int64_t thousandths;
  std::string rest;  // the digits behind, without trailing zeros
};

/// Moves the point in the text; no arithmetic that could round.
std::optional<fixed_point> fixed_point_of(const member& m) {
  if (m.what != member::kind::unsigned_integer && m.what != member::kind::other_number)
    return std::nullopt;
  auto text = m.text;
  if (text[0] == '-') return std::nullopt;
  long exponent = 0;
  if (const auto e = text.find_first_of("eE"); e != std::string::npos) {
    const auto digits = text.substr(e + 1);
    exponent = digits.size() > 6 ? (digits[0] == '-' ? -5000 : 5000) : std::stol(digits);
    text.resize(e);
  }
  auto point = text.find('.');
  if (point == std::string::npos)
    point = text.size();
  else
    text.erase(point, 1);
  auto place = static_cast<long>(point) + exponent + 3;
  place = std::clamp(place, -5000l, 5000l);
  if (place < 0) text.insert(0, static_cast<std::size_t>(-place), '0'), place = 0;
  if (static_cast<std::size_t>(place) > text.size())
    text.append(static_cast<std::size_t>(place) - text.size(), '0');
  auto whole = text.substr(0, static_cast<std::size_t>(place));
  auto rest = text.substr(static_cast<std::size_t>(place));
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  while (!rest.empty() && rest.back() == '0') rest.pop_back();
  if (whole.size() > 17) return std::nullopt;
  return fixed_point{whole.empty() ? 0 : std::stoll(whole), rest};
}

std::optional<std::int64_t> date_of(const member& m) {
  const auto v = fixed_point_of(m);
  constexpr std::int64_t last = 253'402'300'799'000;
  if (!v || v->thousandths > last || (v->thousandths == last && !v->rest.empty()))
    return std::nullopt;
  return v->thousandths;
}

template <class Id>
bool id_of(const std::map<std::string, member>& all, const std::string& name, Id& out) {
  const auto found = all.find(name);
  if (found == all.end() || found->second.what != member::kind::string) return false;
  const auto& text = found->second.text;
  const auto id = text == "." || text == ".." ? std::nullopt : Id::parse(text);
  if (id) out = *id;
  return id.has_value();
}

bool read_offer(const std::string& payload, token_claims& claims) {
  // The members of an inner object, each once: nlohmann alone would keep the last of two.
  std::vector<std::string> names;
  int depth = 0;
  bool inside = false, twice = false;
  const json whole = json::parse(payload, [&](int at, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::key) {
      depth = at;
      if (depth == 1) inside = value == "epk";
      if (depth == 2 && inside) {
        twice |= std::find(names.begin(), names.end(), value) != names.end();
        names.push_back(value);
      }
    }
    return true;
  });
  if (whole.contains("epk") != whole.contains("skid")) return false;
  if (!whole.contains("epk")) return true;
  const auto& epk = whole["epk"];
  if (twice || !epk.is_object() || epk.size() != 4 || !whole["skid"].is_string()) return false;
  for (const auto* name : {"kty", "crv", "x", "y"})
    if (!epk.contains(name) || !epk[name].is_string()) return false;
  if (epk["kty"] != "EC" || epk["crv"] != "P-256") return false;
  const auto x = decode_base64url_slowly(epk["x"].get<std::string>());
  const auto y = decode_base64url_slowly(epk["y"].get<std::string>());
  const auto skid = decode_base64url_slowly(whole["skid"].get<std::string>());
  if (!x || !y || !skid || x->size() != 32 || y->size() != 32 || skid->size() != 32) return false;
  session_key_offer offer;
  std::copy(x->begin(), x->end(), offer.point.begin());
  std::copy(y->begin(), y->end(), offer.point.begin() + 32);
  std::copy(skid->begin(), skid->end(), offer.gateway_key.bytes.begin());
  claims.key_offer = offer;
  return true;
}

bool read_claims(const std::map<std::string, member>& all, token_claims& claims) {
  if (!id_of(all, "sub", claims.student) || !id_of(all, "cid", claims.module) ||
      !id_of(all, "sid", claims.session))
    return false;
  const auto sequence = integer_up_to(all, "sn", 0x7fff'ffff);
  const auto from = integer_up_to(all, "from", 86'400'000);
  const auto to = integer_up_to(all, "to", 86'400'000);
  if (!sequence || !from || !to || *from >= *to) return false;
  claims.sequence = static_cast<std::uint32_t>(*sequence);
  claims.interval = {static_cast<media_ms>(*from), static_cast<media_ms>(*to)};
  if (all.count("pr") != 0) {
    const auto rate = fixed_point_of(all.at("pr"));
    if (!rate || rate->thousandths < 250 || rate->thousandths > 4000 ||
        (rate->thousandths == 4000 && !rate->rest.empty()))
      return false;
    claims.playback_rate_permille =
        static_cast<std::int32_t>(rate->thousandths) + (rate->rest >= "5" ? 1 : 0);
  }
  if (all.count("iat") == 0) return false;
  const auto issued = date_of(all.at("iat"));
  if (!issued) return false;
  claims.issued_at_ms = wall_ms(*issued);
  if (all.count("exp") != 0) {
    const auto expires = date_of(all.at("exp"));
    if (!expires) return false;
    claims.expires_at_ms = wall_ms(*expires);
  }
  return true;
}

bool read_header(const std::map<std::string, member>& all, engagement_token& token) {
  if (all.size() != 3 || all.count("alg") == 0 || all.count("kid") == 0 || all.count("typ") == 0)
    return false;
  for (const auto& [name, value] : all)
    if (value.what != member::kind::string) return false;
  if (all.at("typ").text != "engagement+jwt") return false;
  const std::map<std::string, signature_algorithm> algorithms = {
      {"ES256", signature_algorithm::es256},
      {"EdDSA", signature_algorithm::eddsa},
      {"HS256", signature_algorithm::hs256}};
  const auto algorithm = algorithms.find(all.at("alg").text);
  if (algorithm == algorithms.end()) return false;
  token.algorithm = algorithm->second;
  auto kid = all.at("kid").text;
  if (token.algorithm == signature_algorithm::hs256) {
    const auto end = "." + std::string{token.claims.session.view()};
    if (kid.size() != 43 + end.size() || kid.substr(43) != end) return false;
    if (token.claims.key_offer) return false;
    kid.resize(43);
  }
  const auto bytes = decode_base64url_slowly(kid);
  if (!bytes || bytes->size() != 32) return false;
  std::copy(bytes->begin(), bytes->end(), token.device.bytes.begin());
  return true;
}

result<engagement_token, problem> refused(problem why) {
  return why;
}

const std::string base64url_characters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace

std::string encode_base64url_slowly(std::string_view bytes) {
  std::string bits;
  for (const char c : bytes)
    for (int bit = 7; bit >= 0; --bit)
      bits += (static_cast<unsigned char>(c) >> bit & 1) != 0 ? '1' : '0';
  while (bits.size() % 6 != 0) bits += '0';
  std::string text;
  for (std::size_t i = 0; i < bits.size(); i += 6)
    text += base64url_characters[std::stoul(bits.substr(i, 6), nullptr, 2)];
  return text;
}

std::optional<std::string> decode_base64url_slowly(std::string_view text) {
  std::string bytes;
  unsigned held = 0;
  int bits = 0;
  for (const char c : text) {
    const auto value = base64url_characters.find(c);
    if (value == std::string::npos) return std::nullopt;
    held = (held << 6 | static_cast<unsigned>(value)) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(held >> bits & 0xff);
  }
  if (encode_base64url_slowly(bytes) != text) return std::nullopt;
  return bytes;
}

std::optional<result<engagement_token, problem>> parse_token_slowly(std::string_view text) {
  if (text.size() > 1023) return refused(problem::token_too_large);
  if (std::count(text.begin(), text.end(), '.') != 2) return refused(problem::malformed_token);
  const auto first = text.find('.'), second = text.rfind('.');
  const auto header = decode_base64url_slowly(text.substr(0, first));
  const auto payload = decode_base64url_slowly(text.substr(first + 1, second - first - 1));
  const auto signature = decode_base64url_slowly(text.substr(second + 1));
  if (!header || !payload || !signature || signature->empty())
    return refused(problem::malformed_token);
  bool gave_up = false;
  const auto header_members = members_of(*header, gave_up);
  const auto payload_members = members_of(*payload, gave_up);
  if (gave_up) return std::nullopt;
  if (!header_members || !payload_members) return refused(problem::malformed_token);

  engagement_token token;
  if (!read_claims(*payload_members, token.claims) || !read_offer(*payload, token.claims) ||
      !read_header(*header_members, token))
    return refused(problem::malformed_token);
  token.signing_input = text.substr(0, second);
  token.signature_bytes = static_cast<std::uint8_t>(std::min<std::size_t>(signature->size(), 65));
  std::copy_n(signature->begin(), std::min<std::size_t>(signature->size(), 64),
              token.signature.begin());
  return result<engagement_token, problem>{token};
}

}  // namespace watchkeeper::test
