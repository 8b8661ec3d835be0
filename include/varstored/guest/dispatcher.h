#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "varstored/base/bytes.h"
#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/efi/guid.h"
#include "varstored/engine/reason.h"
#include "varstored/engine/variable_services.h"
#include "varstored/guest/protocol.h"
#include "varstored/guest/shared_pages.h"

namespace varstored::guest {

/// The I/O ports of the device that the firmware's driver talks to (docs/guest-protocol.md,
/// "Transport"): three of 4 bytes each.
inline constexpr std::uint32_t kFirstPort = 0x100;
inline constexpr std::uint32_t kPortCount = 12;

/// What happened since the start.
struct Counters {
  /// The row of what is no call: requests that cannot be read, writes to the ports.
  static constexpr std::size_t kOther = std::variant_size_v<Request>;

  /// By the index of Request or kOther, and by engine::Reason.
  std::array<std::array<std::uint64_t, engine::kReasonCount>, kOther + 1> answers{};
  /// Commands whose pages could not be mapped, and which have no answer therefore.
  std::uint64_t unmapped = 0;
  /// Accesses to a port that mean nothing: another width, an unaligned address.
  std::uint64_t ignored_accesses = 0;

  /// Counts one more, and gives how many there are for this reason, whatever the call.
  std::uint64_t Count(std::size_t row, engine::Reason reason) {
    ++answers[row][static_cast<std::size_t>(reason)];
    return of(reason);
  }
  [[nodiscard]] std::uint64_t of(engine::Reason reason) const {
    std::uint64_t sum = 0;
    for (const auto& row : answers) {
      sum += row[static_cast<std::size_t>(reason)];
    }
    return sum;
  }
};

/// The last answer that a healthy guest does not get. It takes no memory, as there may be none.
struct LastError {
  std::size_t row = Counters::kOther;  // of Counters::answers
  engine::Reason reason = engine::Reason::kSuccess;
  std::chrono::steady_clock::time_point when;
  efi::Guid vendor;
  /// The beginning of the variable's name, as the guest sent it.
  std::array<std::uint8_t, 128> name{};
  std::size_t name_bytes = 0;
};

/// Everything between a door and the variable services: what an access to a port means, the copy of
/// a request out of the guest's memory, and the answer into it. Every request that can be copied is
/// answered with a status, because a guest that finds no answer reads its own request as success.
class Dispatcher {
 public:
  /// `services` and `log` belong to the caller and outlive this object.
  Dispatcher(engine::VariableServices& services, base::Log& log);

  /// The guest wrote `value`, `size` bytes wide, to `port`. A page number is returned when that was
  /// a command: the 16 pages from there on hold the request, and the caller goes on with Serve or,
  /// if it cannot map them, with PagesNotMapped. Anything that means nothing is ignored and
  /// counted.
  [[nodiscard]] std::optional<std::uint32_t> WritePort(std::uint32_t port, std::uint32_t size,
                                                       std::uint32_t value);

  /// The guest reads `size` bytes from `port`: 0 wherever there is nothing to read.
  [[nodiscard]] std::uint32_t ReadPort(std::uint32_t port, std::uint32_t size);

  /// Carries out the request in `pages` and puts the answer at their start. Returns the bytes of
  /// the answer; no other byte of `pages` was written. `Pages` is MappedPages, but for tests.
  template <class Pages>
  std::size_t Serve(Pages& pages) {
    const base::ByteSpan reply = Answer(CopyRequest(pages, kSharedBytes));
    CopyIn(reply, pages);
    return reply.size();
  }

  /// For pages that a door kept mapped since it put the answer to an earlier command there. By now
  /// the guest may have other memory in their place. A status is no request, so when the first of
  /// them begins with one, the guest wrote it since, and this page is still the guest's; of the
  /// others nothing is known. Carries out the request that the first page holds from beginning to
  /// end, and returns the answer, which is valid until the next call and for the caller to put in
  /// place. Nothing is done and nothing returned when there is no such request: it may stand in
  /// pages that have to be mapped anew.
  template <class Pages>
  [[nodiscard]] std::optional<base::ByteSpan> ServeFirstPage(const Pages& pages) {
    const auto request = CopyRequest(pages, kPageBytes);
    if (!request && (request.error() == engine::Reason::kUnsupportedVersion ||
                     request.error() == engine::Reason::kUnsupportedCommand ||
                     request.error() == engine::Reason::kRequestTruncated)) {
      return std::nullopt;
    }
    return Answer(request);
  }

  /// A command whose pages could not be mapped: there is no place for an answer.
  void PagesNotMapped(std::uint32_t page) noexcept;

  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] const std::optional<LastError>& last_error() const { return last_error_; }

  /// All counters that are not 0, in one line.
  [[nodiscard]] std::string CountersText() const;

 private:
  static constexpr std::size_t kStartBytes = 512;

  /// Copies the request at the start of `pages`, of which it reads no more than `most` bytes. The
  /// first bytes are enough for nearly every request. While they are not, more is copied behind
  /// them, and decoding begins again with the same copy: no byte of the guest's is read twice.
  template <class Pages>
  base::Result<Request, engine::Reason> CopyRequest(const Pages& pages, std::size_t most) {
    const std::span<std::uint8_t> all(request_.get(), most);
    std::size_t copied = 0;
    for (std::size_t next = kStartBytes;; next = std::min(next * 8, most)) {
      CopyOut(pages, copied / sizeof(std::uint64_t), all.subspan(copied, next - copied));
      copied = next;
      auto request = DecodeRequest(all.first(copied));
      if (request || request.error() != engine::Reason::kRequestTruncated || copied == most) {
        return request;
      }
    }
  }

  /// The answer, which stays valid until the next call. Memory that is missing is a status for the
  /// guest, and the memory of the answer itself is there from the start: a change that was made is
  /// always answered as such.
  [[nodiscard]] base::ByteSpan Answer(
      const base::Result<Request, engine::Reason>& request) noexcept;
  [[nodiscard]] engine::Reason CarryOut(const Request& request, base::Writer& reply) noexcept;
  void NoteError(const base::Result<Request, engine::Reason>& request,
                 engine::Reason reason) noexcept;
  void LogRefusal(const base::Result<Request, engine::Reason>& request,
                  engine::Reason reason) noexcept;
  void IgnoreAccess(std::string_view direction, std::uint32_t port, std::uint32_t size) noexcept;

  engine::VariableServices& services_;
  base::Log& log_;
  // Both are for the largest that there can be, and most of each is never touched: memory that is
  // not written to costs nothing.
  std::unique_ptr<std::uint8_t[]> request_ =
      std::make_unique_for_overwrite<std::uint8_t[]>(kSharedBytes);
  base::Bytes reply_;  // its capacity is kSharedBytes
  Counters counters_;
  std::optional<LastError> last_error_;
};

}  // namespace varstored::guest
