#include "actors/shared/session_memory.hpp"

namespace watchkeeper::actors {

bool session_memory::bind(const module_id& module) {
  const mutex_lock lock(mutex_);
  if (module_.empty()) module_ = module;
  return module_ == module;
}

bool session_memory::bound() const {
  const mutex_lock lock(mutex_);
  return !module_.empty();
}

std::uint32_t session_memory::offer(const std::optional<crypto::hmac_sha256>& key) {
  const mutex_lock lock(mutex_);
  if (!keys_) keys_ = std::make_unique<keys>();
  keys_->offered = key;
  return ++keys_->offers;
}

void session_memory::resolve(std::uint32_t number, const std::optional<crypto::hmac_sha256>& key,
                             bool accepted) {
  const mutex_lock lock(mutex_);
  if (!keys_) return;
  if (accepted) keys_->current = key;
  if (number == keys_->offers) keys_->offered.reset();
}

session_memory::mac_result session_memory::check(std::string_view signing_input,
                                                 std::span<const std::uint8_t> mac) const {
  // Copies, so that the hashing is outside of the lock; they wipe themselves.
  std::optional<crypto::hmac_sha256> current, offered;
  {
    const mutex_lock lock(mutex_);
    if (!keys_ || (!keys_->current && !keys_->offered)) return mac_result::no_key;
    current = keys_->current;
    offered = keys_->offered;
  }
  const bool valid = (current && current->verify(signing_input, mac)) ||
                     (offered && offered->verify(signing_input, mac));
  return valid ? mac_result::valid : mac_result::invalid;
}

}  // namespace watchkeeper::actors
