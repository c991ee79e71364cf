#include "domain/ids.hpp"

#include "base/base64url.hpp"

namespace watchkeeper {

std::optional<thumbprint> thumbprint::parse(std::string_view text) noexcept {
  if (text.size() != text_chars) return std::nullopt;
  thumbprint kid;
  if (!base64url::decode(text, kid.bytes)) return std::nullopt;
  return kid;
}

std::string thumbprint::text() const {
  return base64url::encode(bytes);
}

partition_index partition_of(const student_id& student) noexcept {
  return static_cast<partition_index>(stable_hash(student.view()) % limits::partitions);
}

}  // namespace watchkeeper
