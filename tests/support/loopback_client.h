#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/process.h"
#include "support/signing.h"
#include "varstored/base/unique_fd.h"

namespace varstored::test {

/// Where varstored-loopback was built.
[[nodiscard]] std::string LoopbackProgram();

/// The beginning of its command line for a socket at `socket_path`. It is locked in, as where it
/// counts; so the tests also show that the sandbox allows what is needed.
[[nodiscard]] std::vector<std::string> LoopbackCommand(const std::string& socket_path);

/// Starts varstored-loopback with a socket at `socket_path` and `arguments` beside those, and
/// returns when it serves. Throws when it does not get that far; see RunProgram for that.
[[nodiscard]] Process StartLoopback(const std::string& socket_path,
                                    std::vector<std::string> arguments);

/// EFI_STATUS on the wire, written down here once more: the tests do not read the product's table.
inline constexpr std::uint64_t kEfiSuccess = 0;
inline constexpr std::uint64_t kEfiInvalidParameter = 0x8000000000000002;
inline constexpr std::uint64_t kEfiUnsupported = 0x8000000000000003;
inline constexpr std::uint64_t kEfiBufferTooSmall = 0x8000000000000005;
inline constexpr std::uint64_t kEfiDeviceError = 0x8000000000000007;
inline constexpr std::uint64_t kEfiWriteProtected = 0x8000000000000008;
inline constexpr std::uint64_t kEfiOutOfResources = 0x8000000000000009;
inline constexpr std::uint64_t kEfiNotFound = 0x800000000000000E;
inline constexpr std::uint64_t kEfiAccessDenied = 0x800000000000000F;
inline constexpr std::uint64_t kEfiSecurityViolation = 0x800000000000001A;

/// 8be4df61-93ca-11d2-aa0d-00e098032b8c and d719b2cb-3d3a-4596-a3bc-dad00e67656f.
inline constexpr Guid kGlobalGuid = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                     0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
inline constexpr Guid kSecurityDatabaseGuid = {0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45,
                                               0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f};

/// The 16 pages of a request.
inline constexpr std::size_t kPagesBytes = 65536;

/// A guest: what its firmware's driver would send and read (docs/guest-protocol.md), put together
/// here without the product's codec. Failures of the connection throw. When the environment's
/// VARSTORED_RECORDINGS names a folder, all messages of a client are kept in a file there: the
/// seeds of the fuzzers are made of them.
class LoopbackClient {
 public:
  explicit LoopbackClient(const std::string& socket_path);

  struct GetReply {
    std::uint64_t status = 0;
    std::uint32_t attributes = 0;   // on success and EFI_BUFFER_TOO_SMALL
    Bytes data;                     // on success
    std::uint64_t needed_size = 0;  // EFI_BUFFER_TOO_SMALL
  };
  /// The default room is the largest that an answer can fill.
  [[nodiscard]] GetReply GetVariable(const std::u16string& name, const Guid& guid,
                                     std::uint64_t data_size = kPagesBytes - 20,
                                     bool at_runtime = false);

  [[nodiscard]] std::uint64_t SetVariable(const std::u16string& name, const Guid& guid,
                                          std::uint32_t attributes, ByteSpan data,
                                          bool at_runtime = false);
  /// The arguments of `write`, with its payload as it is.
  [[nodiscard]] std::uint64_t SetVariable(const VariableWrite& write, bool at_runtime = false) {
    return SetVariable(write.name, write.guid, write.attributes, write.payload, at_runtime);
  }

  struct NextReply {
    std::uint64_t status = 0;
    std::u16string name;            // on success
    Guid guid{};                    // on success
    std::uint64_t needed_size = 0;  // EFI_BUFFER_TOO_SMALL
  };
  [[nodiscard]] NextReply GetNextVariableName(const std::u16string& name, const Guid& guid,
                                              std::uint64_t name_size = 4098,
                                              bool at_runtime = false);
  /// All names, in the order of the walk. Throws when the walk ends in anything but EFI_NOT_FOUND.
  [[nodiscard]] std::vector<std::pair<std::u16string, Guid>> Walk(bool at_runtime = false);

  struct InfoReply {
    std::uint64_t status = 0;
    std::uint64_t maximum_storage = 0;
    std::uint64_t remaining_storage = 0;
    std::uint64_t maximum_variable = 0;
  };
  [[nodiscard]] InfoReply QueryVariableInfo(std::uint32_t attributes);

  [[nodiscard]] std::uint64_t NotifySecureBootFailure();

  /// Sends the start of the pages, whose rest is `fill`, and gives all pages as they are
  /// afterwards.
  [[nodiscard]] Bytes Command(ByteSpan request, std::uint8_t fill = 0);
  /// The same command, but the pages cannot be mapped. Gives what the door answers.
  [[nodiscard]] std::uint32_t CommandWithoutPages();
  void WritePort(std::uint32_t port, std::uint32_t size, std::uint32_t value);
  [[nodiscard]] std::uint32_t ReadPort(std::uint32_t port, std::uint32_t size);

  /// Any bytes, for what no guest does.
  void SendRaw(ByteSpan bytes);
  /// Returns when the other side has read all that was sent. Throws when it never does.
  void WaitUntilRead() const;
  /// Exactly `size` bytes, or nothing when the connection ended before.
  [[nodiscard]] std::optional<Bytes> ReceiveRaw(std::size_t size);
  /// Says that nothing more will be sent.
  void CloseSendingSide();

 private:
  [[nodiscard]] Bytes Exchange(ByteSpan message, std::size_t reply_bytes);

  base::UniqueFd socket_;
  std::optional<std::ofstream> recording_;
};

/// The requests of the calls above, for tests that change them. A name is any bytes.
[[nodiscard]] Bytes GetVariableRequest(ByteSpan name, const Guid& guid, std::uint64_t data_size,
                                       bool at_runtime);
[[nodiscard]] Bytes SetVariableRequest(ByteSpan name, const Guid& guid, std::uint32_t attributes,
                                       ByteSpan data, bool at_runtime);
[[nodiscard]] Bytes GetNextVariableNameRequest(ByteSpan name, const Guid& guid,
                                               std::uint64_t name_size, bool at_runtime);
[[nodiscard]] Bytes QueryVariableInfoRequest(std::uint32_t attributes);
[[nodiscard]] Bytes NotifySecureBootFailureRequest();

/// UTF-16LE without a terminator.
[[nodiscard]] Bytes NameBytes(const std::u16string& name);

}  // namespace varstored::test
