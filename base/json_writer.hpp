#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace watchkeeper {

/// Appends `text` as a JSON string (RFC 8259, section 7), quotes included. Each ill-formed part of
/// UTF-8 becomes U+FFFD (Unicode 15, section 3.9), so the output is always well-formed.
void append_json_string(std::string& out, std::string_view text);

/// Writes one JSON text at the end of a string, without spaces: it puts the commas and escapes all
/// texts. The caller sees to it that objects and arrays are closed, and that in an object each
/// value has a key. Borrows the string, to which nothing else may append meanwhile but `append_…`
/// functions that write a value through a writer of their own between `begin_value` and the next
/// call. Pure; any thread.
class json_writer {
 public:
  explicit json_writer(std::string& out) noexcept : out_(out) {}

  json_writer& begin_object() { return open('{'); }
  json_writer& end_object() { return close('}'); }
  json_writer& begin_array() { return open('['); }
  json_writer& end_array() { return close(']'); }

  /// The name of the next value.
  json_writer& key(std::string_view name) {
    begin_value();
    append_json_string(out_, name);
    out_ += ':';
    comma_ = false;
    return *this;
  }

  json_writer& value(std::string_view text) {
    begin_value();
    append_json_string(out_, text);
    return *this;
  }
  json_writer& value(const char* text) { return value(std::string_view(text)); }
  json_writer& value(const std::string& text) { return value(std::string_view(text)); }
  json_writer& value(std::same_as<bool> auto truth) { return raw(truth ? "true" : "false"); }
  json_writer& value(std::signed_integral auto number) { return integer(std::int64_t{number}); }
  json_writer& value(std::unsigned_integral auto number) requires(
      !std::same_as<decltype(number), bool>) {
    return natural(std::uint64_t{number});
  }
  /// The shortest number that reads back as the same; null for what is not finite.
  json_writer& value(double number);
  json_writer& null() { return raw("null"); }

  /// `scaled` / 10^decimals with exactly so many decimals: 2830, 2 gives 28.30. 0 <= decimals <= 9.
  json_writer& fixed(std::int64_t scaled, int decimals);
  /// The same without zeros at the end: 2830, 2 gives 28.3; 2800, 2 gives 28.
  json_writer& trimmed(std::int64_t scaled, int decimals);
  /// A text that is JSON already.
  json_writer& raw(std::string_view json) {
    begin_value();
    out_ += json;
    return *this;
  }

  json_writer& member(std::string_view name, const auto& of) { return key(name).value(of); }
  json_writer& member(std::string_view name, const char* of) { return key(name).value(of); }

  /// Puts the comma before a value that the caller appends to the string by itself.
  void begin_value() {
    if (comma_) out_ += ',';
    comma_ = true;
  }

 private:
  json_writer& open(char bracket) {
    begin_value();
    out_ += bracket;
    comma_ = false;
    return *this;
  }
  json_writer& close(char bracket) {
    out_ += bracket;
    comma_ = true;
    return *this;
  }
  json_writer& integer(std::int64_t number);
  json_writer& natural(std::uint64_t number);

  std::string& out_;
  bool comma_ = false;  // a value stands before the next one
};

}  // namespace watchkeeper
