#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "domain/ids.hpp"
#include "sdk/c/software_key.hpp"

/// The devices of a fleet in a text file, so that a later run goes on as the same devices:
///
///     file   = %s"watchkeeper-fleet-keys 1" LF *( device LF )
///     device = student SP secret
///     secret = 64 lower-case hexadecimal digits: the private scalar of P-256, big-endian
///
/// The order is that of the devices. The public key and the kid follow from the secret. The file is
/// made readable for its owner only.
namespace watchkeeper::fleet {

struct fleet_device {
  sdk::software_key key;
  student_id student;
};

/// The errors are sentences with file and line.
result<std::vector<fleet_device>, std::string> load_keys(const std::string& path);
/// Replaces the file as a whole, or leaves it as it was. The error is a sentence.
result<ok_t, std::string> save_keys(const std::string& path,
                                    const std::vector<fleet_device>& devices);

}  // namespace watchkeeper::fleet
