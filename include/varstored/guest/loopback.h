#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "varstored/base/unique_fd.h"
#include "varstored/guest/door.h"

namespace varstored::guest {

/// A door without a hypervisor, for tests and measurements: a unix stream socket, on which a client
/// plays the guest. One client at a time; whatever it does wrong ends its connection and nothing
/// else. The messages are described in docs/loopback.md.
class LoopbackDoor final : public Door {
 public:
  /// The socket at `path` appears with Announce. Until then it has another name beside it.
  LoopbackDoor(std::string path, Platform platform);

  [[nodiscard]] base::Result<Platform> Prepare() override;
  [[nodiscard]] base::Result<void> Announce() override;
  void Withdraw() override;
  [[nodiscard]] Waits waits_for() const override;
  [[nodiscard]] base::Result<Guest> HandleReady(const Waits& waited,
                                                Dispatcher& dispatcher) override;
  void Close() override;

 private:
  static constexpr std::size_t kHeaderBytes = 16;
  static constexpr std::size_t kStatusBytes = 4;

  [[nodiscard]] base::Result<void> Accept();
  void Receive(Dispatcher& dispatcher);
  void Send();
  void Disconnect();
  [[nodiscard]] bool ReceiveUpTo(std::size_t end);
  [[nodiscard]] bool CarryOut(Dispatcher& dispatcher);
  void Answer(std::uint32_t status, std::size_t more_bytes);

  /// The message as bytes.
  [[nodiscard]] std::span<std::uint8_t> bytes();

  std::string path_;
  std::string unannounced_path_;
  Platform platform_;
  base::UniqueFd listener_;
  base::UniqueFd client_;

  /// The header and the pages of a request. The answer takes their place: its status stands in the
  /// header's last 4 bytes, so that the pages follow it where they are.
  std::array<std::uint64_t, (kHeaderBytes + kSharedBytes) / sizeof(std::uint64_t)> message_{};
  std::size_t received_ = 0;
  std::size_t sent_ = 0;
  /// Where the answer ends in `message_`; 0 while a request is awaited.
  std::size_t answer_end_ = 0;
};

}  // namespace varstored::guest
