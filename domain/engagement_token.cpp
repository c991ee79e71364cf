#include "domain/engagement_token.hpp"

#include <algorithm>

#include "base/base64url.hpp"
#include "base/json_scanner.hpp"
#include "domain/given_id.hpp"

namespace watchkeeper {
namespace {

constexpr std::size_t members_max = 32;
constexpr std::size_t decoded_bytes_max = 768;
static_assert(decoded_bytes_max >= limits::token_bytes_max * 3 / 4);
constexpr std::int64_t numeric_date_max_ms = 253'402'300'799'000;  // the end of the year 9999
constexpr std::size_t thumbprint_chars = 43;

/// A refusal is a sentence in static storage; nullptr means that all is well.
using complaint = const char*;

/// The names at the top level of an object, to find the one that is given twice. Names are compared
/// after their escapes were decoded.
class name_list {
 public:
  complaint add(std::string_view name) noexcept {
    if (count_ == members_max) return "an object has more than 32 members";
    for (std::size_t i = 0; i < count_; ++i)
      if (names_[i] == name) return "a member is given twice";
    names_[count_++] = name;
    return nullptr;
  }

 private:
  std::array<std::string_view, members_max> names_;
  std::size_t count_ = 0;
};

/// Reads one object; `member(name)` reads each value. `no_object`: what to say of another value.
template <class Member>
complaint read_members(json_scanner& json, complaint no_object, Member&& member) noexcept {
  if (!json.consume('{')) return no_object;
  name_list names;
  if (!json.consume('}')) {
    do {
      const auto name = json.string();
      if (!name) return "a member's name is not a valid JSON string";
      if (const auto wrong = names.add(*name)) return wrong;
      if (!json.consume(':')) return "a member has no value";
      if (const auto wrong = member(*name)) return wrong;
    } while (json.consume(','));
    if (!json.consume('}')) return "an object is not closed";
  }
  return nullptr;
}

/// One object that fills `json` to its end.
template <class Member>
complaint read_object(json_scanner& json, Member&& member) noexcept {
  if (const auto wrong = read_members(json, "header and payload must be JSON objects", member))
    return wrong;
  return json.at_end() ? nullptr : "bytes follow the JSON object";
}

struct protected_header {
  std::string_view alg, kid, typ;  // empty: not given, or given as ""
};

complaint read_header(json_scanner& json, protected_header& header) noexcept {
  return read_object(json, [&](std::string_view name) -> complaint {
    auto* const field = name == "alg"   ? &header.alg
                        : name == "kid" ? &header.kid
                        : name == "typ" ? &header.typ
                                        : nullptr;
    if (!field) return "the header may hold alg, kid and typ only";
    const auto text = json.string();
    if (!text) return "a header member is not a valid JSON string";
    *field = *text;
    return nullptr;
  });
}

template <class Id>
complaint read_id(json_scanner& json, Id& out) noexcept {
  const auto text = json.string();
  if (!text) return "sub, cid and sid must be valid JSON strings";
  const auto id = parse_given_id<Id>(*text);
  if (!id)
    return "sub, cid and sid are 1 to 64 characters of A-Z a-z 0-9 . _ ~ : @ -, and neither '.' "
           "nor '..'";
  out = *id;
  return nullptr;
}

/// `T` is an integer type that holds `highest`.
template <class T>
complaint read_integer(json_scanner& json, std::uint64_t highest, T& out) noexcept {
  const auto number = json.number();
  if (!number || !number->integer || number->negative)
    return "sn, from and to must be integers of zero or more";
  // An exponent here means that there were more digits than any limit has.
  if (number->exponent != 0 || number->digits > highest) return "sn, from or to is too large";
  out = static_cast<T>(number->digits);
  return nullptr;
}

complaint read_rate(json_scanner& json, std::int32_t& permille) noexcept {
  const auto number = json.number();
  const auto value = number ? to_thousandths(*number) : std::nullopt;
  if (!value || value->floor < 250 || value->floor > 4000 ||
      (value->floor == 4000 && !value->exact))
    return "pr must be a number from 0.25 to 4";
  permille = static_cast<std::int32_t>(value->floor) + (value->half_or_more ? 1 : 0);
  return nullptr;
}

complaint read_date(json_scanner& json, wall_ms& out) noexcept {
  const auto number = json.number();
  const auto value = number ? to_thousandths(*number) : std::nullopt;
  if (!value || value->floor > numeric_date_max_ms ||
      (value->floor == numeric_date_max_ms && !value->exact))
    return "iat and exp must be NumericDates up to the year 9999";
  out = wall_ms(value->floor);
  return nullptr;
}

/// `epk`: a JWK of exactly these members (RFC 7517; RFC 7518 section 6.2.1).
complaint read_point(json_scanner& json, std::array<std::uint8_t, 64>& point) noexcept {
  bool has_kty = false, has_crv = false, has_x = false, has_y = false;
  const auto wrong =
      read_members(json, "epk must be a JSON object", [&](std::string_view name) -> complaint {
        const auto text = json.string();
        if (!text) return "a member of epk is not a valid JSON string";
        if (name == "kty") {
          has_kty = true;
          return *text == "EC" ? nullptr : "kty of epk must be EC";
        }
        if (name == "crv") {
          has_crv = true;
          return *text == "P-256" ? nullptr : "crv of epk must be P-256";
        }
        if (name != "x" && name != "y") return "epk may hold kty, crv, x and y only";
        (name == "x" ? has_x : has_y) = true;
        // Coordinates have the form of a thumbprint: 32 bytes, canonical.
        const auto coordinate = thumbprint::parse(*text);
        if (!coordinate) return "x and y of epk must be 32 bytes in base64url";
        std::copy(coordinate->bytes.begin(), coordinate->bytes.end(),
                  point.begin() + (name == "x" ? 0 : 32));
        return nullptr;
      });
  if (wrong) return wrong;
  return has_kty && has_crv && has_x && has_y ? nullptr : "epk lacks one of kty, crv, x and y";
}

complaint read_gateway_key(json_scanner& json, thumbprint& out) noexcept {
  const auto text = json.string();
  const auto kid = text ? thumbprint::parse(*text) : std::nullopt;
  if (!kid) return "skid must be the kid of a gateway's key, a SHA-256 thumbprint in base64url";
  out = *kid;
  return nullptr;
}

complaint read_claims(json_scanner& json, token_claims& claims) noexcept {
  session_key_offer offer;
  bool has_point = false, has_gateway_key = false;
  bool has_sequence = false, has_from = false, has_to = false, has_issued = false;
  const auto wrong = read_object(json, [&](std::string_view name) -> complaint {
    if (name == "sub") return read_id(json, claims.student);
    if (name == "cid") return read_id(json, claims.module);
    if (name == "sid") return read_id(json, claims.session);
    if (name == "sn") {
      has_sequence = true;
      return read_integer(json, limits::sequence_max, claims.sequence);
    }
    if (name == "from") {
      has_from = true;
      return read_integer(json, limits::media_duration_ms_max, claims.interval.from_ms);
    }
    if (name == "to") {
      has_to = true;
      return read_integer(json, limits::media_duration_ms_max, claims.interval.to_ms);
    }
    if (name == "pr") return read_rate(json, claims.playback_rate_permille);
    if (name == "iat") {
      has_issued = true;
      return read_date(json, claims.issued_at_ms);
    }
    if (name == "exp") return read_date(json, claims.expires_at_ms.emplace());
    if (name == "epk") {
      has_point = true;
      return read_point(json, offer.point);
    }
    if (name == "skid") {
      has_gateway_key = true;
      return read_gateway_key(json, offer.gateway_key);
    }
    return json.skip_value() ? nullptr : "the value of an unknown claim is not valid JSON";
  });
  if (wrong) return wrong;
  if (claims.student.empty() || claims.module.empty() || claims.session.empty() || !has_sequence ||
      !has_from || !has_to || !has_issued)
    return "one of sub, cid, sid, sn, from, to and iat is missing";
  if (claims.interval.from_ms >= claims.interval.to_ms) return "from must be less than to";
  if (has_point != has_gateway_key) return "epk and skid come together";
  if (has_point) claims.key_offer = offer;
  return nullptr;
}

complaint check_header(const protected_header& header, engagement_token& token) noexcept {
  if (header.typ != "engagement+jwt") return "typ must be engagement+jwt";
  if (header.alg == "ES256")
    token.algorithm = signature_algorithm::es256;
  else if (header.alg == "EdDSA")
    token.algorithm = signature_algorithm::eddsa;
  else if (header.alg == "HS256")
    token.algorithm = signature_algorithm::hs256;
  else
    return "alg must be ES256, EdDSA or HS256";

  auto device = header.kid;
  if (token.algorithm == signature_algorithm::hs256) {
    if (device.size() <= thumbprint_chars || device[thumbprint_chars] != '.' ||
        device.substr(thumbprint_chars + 1) != token.claims.session.view())
      return "with HS256 kid must be the device's kid, a dot, and the sid";
    if (token.claims.key_offer) return "epk comes with a device signature only, not with HS256";
    device = device.substr(0, thumbprint_chars);
  }
  const auto kid = thumbprint::parse(device);
  if (!kid) return "kid must be a SHA-256 thumbprint in base64url";
  token.device = *kid;
  return nullptr;
}

using decoded_bytes = std::array<std::uint8_t, decoded_bytes_max>;

std::optional<json_scanner> decode_json(std::string_view part, decoded_bytes& out) noexcept {
  const auto size = base64url::decode(part, out);
  if (!size) return std::nullopt;
  return json_scanner{std::span{reinterpret_cast<char*>(out.data()), *size}};
}

complaint parse(std::string_view text, engagement_token& token) noexcept {
  const auto first_dot = text.find('.');
  if (first_dot == std::string_view::npos) return "a token has three parts";
  const auto second_dot = text.find('.', first_dot + 1);
  if (second_dot == std::string_view::npos) return "a token has three parts";
  // A third dot is a character foreign to base64url, hence refused with the signature.

  // Both buffers live until the end: header and claims are views into them. Not initialised, since
  // clearing 1.5 KB for every token would cost as much as decoding it.
  decoded_bytes header_bytes, payload_bytes;
  auto header_json = decode_json(text.substr(0, first_dot), header_bytes);
  if (!header_json) return "the header is not canonical base64url";
  protected_header header;
  if (const auto wrong = read_header(*header_json, header)) return wrong;

  auto payload_json =
      decode_json(text.substr(first_dot + 1, second_dot - first_dot - 1), payload_bytes);
  if (!payload_json) return "the payload is not canonical base64url";
  if (const auto wrong = read_claims(*payload_json, token.claims)) return wrong;
  if (const auto wrong = check_header(header, token)) return wrong;

  decoded_bytes signature;
  const auto size = base64url::decode(text.substr(second_dot + 1), signature);
  if (!size || *size == 0) return "the signature is not canonical base64url";
  std::copy_n(signature.begin(), std::min(*size, token.signature.size()), token.signature.begin());
  token.signature_bytes = static_cast<std::uint8_t>(std::min(*size, token.signature.size() + 1));
  token.signing_input = text.substr(0, second_dot);
  return nullptr;
}

}  // namespace

std::string_view name_of(signature_algorithm algorithm) noexcept {
  switch (algorithm) {
    case signature_algorithm::es256:
      return "ES256";
    case signature_algorithm::eddsa:
      return "EdDSA";
    case signature_algorithm::hs256:
      return "HS256";
  }
  return "";
}

result<engagement_token, problem> parse_engagement_token(std::string_view text,
                                                         std::string_view* detail) {
  if (text.size() > limits::token_bytes_max) {
    if (detail) *detail = "the token is larger than 1,023 bytes";
    return problem::token_too_large;
  }
  engagement_token token;
  if (const auto wrong = parse(text, token)) {
    if (detail) *detail = wrong;
    return problem::malformed_token;
  }
  return token;
}

problem check_time(const token_claims& claims, wall_ms now_ms, const time_policy& policy) noexcept {
  if (claims.issued_at_ms < now_ms - policy.max_age_ms) return problem::stale_token;
  if (claims.expires_at_ms && *claims.expires_at_ms <= now_ms) return problem::stale_token;
  if (claims.issued_at_ms > now_ms + policy.max_skew_ms) return problem::future_token;
  return problem::none;
}

result<media_interval, problem> plausible_interval(media_interval claimed, media_ms duration_ms,
                                                   media_ms max_interval_ms) noexcept {
  if (claimed.from_ms < 0 || claimed.from_ms >= claimed.to_ms || claimed.from_ms >= duration_ms ||
      claimed.length_ms() > max_interval_ms)
    return problem::implausible_interval;
  return media_interval{claimed.from_ms, std::min(claimed.to_ms, duration_ms)};
}

}  // namespace watchkeeper
