#include "varstored/efi/status.h"

namespace varstored::efi {

std::string_view StatusText(Status status) {
  switch (status) {
    case Status::kSuccess:
      return "Success";
    case Status::kInvalidParameter:
      return "Invalid Parameter";
    case Status::kUnsupported:
      return "Unsupported";
    case Status::kBufferTooSmall:
      return "Buffer Too Small";
    case Status::kDeviceError:
      return "Device Error";
    case Status::kWriteProtected:
      return "Write Protected";
    case Status::kOutOfResources:
      return "Out of Resources";
    case Status::kNotFound:
      return "Not Found";
    case Status::kAccessDenied:
      return "Access Denied";
    case Status::kSecurityViolation:
      return "Security Violation";
  }
  return "Unknown Status";
}

}  // namespace varstored::efi
