#include "varstored/guest_xen/xen_door.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "access.h"
#include "domain_keys.h"
#include "guest_pages.h"
#include "hypervisor.h"
#include "ioreq_server.h"
#include "varstored/base/file.h"
#include "varstored/base/held_file.h"
#include "varstored/base/unique_fd.h"
#include "varstored/guest/shared_pages.h"

namespace varstored::guest_xen {
namespace {

/// Any value is what the toolstack waits for; it is the daemon's process id.
constexpr const char* kReadyKey = "varstored-pid";
/// The number of the IOREQ server, for the daemon that comes after this one.
constexpr const char* kServerKey = "varstored-ioserver";
/// The word of this daemon, for the same.
constexpr const char* kStartKey = "varstored-start";

/// How often the door looks whether the domain is still there: no event says so.
constexpr timespec kLookInterval = {.tv_sec = 5, .tv_nsec = 0};

std::optional<ioservid_t> ParseServer(const std::optional<std::string>& text) {
  ioservid_t id = 0;
  if (!text) {
    return std::nullopt;
  }
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, id);
  return error == std::errc() && stop == end ? std::optional(id) : std::nullopt;
}

/// A word that no daemon has had before.
std::string NewStart() {
  return base::RandomDigits() + base::RandomDigits() + base::RandomDigits() + base::RandomDigits();
}

class XenDoor final : public guest::Door {
 public:
  XenDoor(domid_t domain, base::Log& log) : domain_(domain), log_(log) {}

  [[nodiscard]] base::Result<guest::Platform> Prepare() override;
  [[nodiscard]] base::Result<void> Announce() override;
  void Withdraw() override;
  [[nodiscard]] Waits waits_for() const override {
    return {{{xenevtchn_fd(xen_->events.get()), POLLIN, 0}, {timer_.get(), POLLIN, 0}}};
  }
  [[nodiscard]] base::Result<Guest> HandleReady(const Waits& waited,
                                                guest::Dispatcher& dispatcher) override;
  void Close() override;

 private:
  [[nodiscard]] base::Result<guest::Platform> Open();
  [[nodiscard]] base::Result<void> Connect(DomainKeys& keys);
  [[nodiscard]] base::Result<void> SetTimer();
  [[nodiscard]] base::Result<void> HandleEvent(guest::Dispatcher& dispatcher);
  [[nodiscard]] std::uint64_t CarryOut(const Access& access, guest::Dispatcher& dispatcher);
  void Serve(std::uint32_t first_page, guest::Dispatcher& dispatcher);
  [[nodiscard]] bool IsGuestThere() const;
  void Note(base::Event event, std::string_view begin, std::string_view end) noexcept;

  domid_t domain_;
  base::Log& log_;
  pid_t pid_ = ::getpid();
  std::optional<Hypervisor> xen_;
  std::optional<IoreqServer> server_;
  KeptPages kept_;
  ioservid_t id_ = 0;
  bool registered_here_ = false;  // not taken over
  std::string start_ = NewStart();
  std::string former_start_;
  base::UniqueFd timer_;
};

base::Result<guest::Platform> XenDoor::Prepare() {
  auto opened = Open();
  if (!opened) {
    Withdraw();
  }
  return opened;
}

base::Result<guest::Platform> XenDoor::Open() {
  auto keys = DomainKeys::Open(domain_);
  if (!keys) {
    return keys.failure();
  }
  auto secureboot = keys->Read("platform/secureboot");
  if (!secureboot) {
    return secureboot.failure();
  }
  auto auth_enforce = keys->Read("platform/auth-enforce");
  if (!auth_enforce) {
    return auth_enforce.failure();
  }
  auto secureboot_enforce = keys->Read("platform/secureboot-enforce");
  if (!secureboot_enforce) {
    return secureboot_enforce.failure();
  }
  auto xen = Hypervisor::Open(domain_);
  if (!xen) {
    return xen.failure();
  }
  xen_.emplace(*std::move(xen));
  if (auto connected = Connect(*keys); !connected) {
    return connected.failure();
  }
  // Only now it is certain that this key is not that of a daemon that works.
  if (auto removed = keys->Remove(kReadyKey); !removed) {
    return removed.failure();
  }
  // It cuts off the connection to xenstore as well, which ends with this function.
  if (xentoolcore_restrict_all(domain_) != 0) {
    return base::Fail("cannot restrict the handles of Xen: " + base::ErrnoText());
  }
  if (auto set = SetTimer(); !set) {
    return set.failure();
  }
  return guest::Platform{*std::move(secureboot),
                         *std::move(auth_enforce),
                         *std::move(secureboot_enforce),
                         !registered_here_,
                         start_,
                         former_start_};
}

base::Result<void> XenDoor::Connect(DomainKeys& keys) {
  const auto recorded = keys.Read(kServerKey);
  if (!recorded) {
    return recorded.failure();
  }
  if (const auto former = ParseServer(*recorded); former && IsRegistered(*xen_, *former)) {
    id_ = *former;
    const auto start = keys.Read(kStartKey);
    if (!start) {
      return start.failure();
    }
    former_start_ = start->value_or("");
  } else {
    const auto registered = Register(*xen_);
    if (!registered) {
      return registered.failure();
    }
    id_ = *registered;
    registered_here_ = true;
  }
  auto server = IoreqServer::Connect(*xen_, id_);
  if (!server) {
    return server.failure();
  }
  server_.emplace(*std::move(server));
  if (!registered_here_) {
    log_.Say(
        base::Event::kDaemonReplaced,
        "takes over from a daemon that has ended; volatile state that it did not save is lost");
  }
  log_.Say(base::Event::kIoreqServer,
           "number " + std::to_string(id_) + ", " + std::to_string(server_->vcpus()) + " vCPUs");
  return {};
}

base::Result<void> XenDoor::SetTimer() {
  timer_.Reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const itimerspec times = {.it_interval = kLookInterval, .it_value = kLookInterval};
  if (!timer_.valid() || ::timerfd_settime(timer_.get(), 0, &times, nullptr) != 0) {
    return base::Fail("cannot set a timer: " + base::ErrnoText());
  }
  return {};
}

base::Result<void> XenDoor::Announce() {
  auto keys = DomainKeys::Open(domain_);
  if (!keys) {
    return keys.failure();
  }
  // Readiness comes last: whoever sees it finds the rest as well.
  if (auto written = keys->Write(kServerKey, std::to_string(id_)); !written) {
    return written;
  }
  if (auto written = keys->Write(kStartKey, start_); !written) {
    return written;
  }
  return keys->Write(kReadyKey, std::to_string(pid_));
}

void XenDoor::Withdraw() {
  if (!registered_here_) {
    return;
  }
  // The handles of a process are not for its children.
  if (const auto xen = Hypervisor::Open(domain_)) {
    Unregister(*xen, id_);
  }
}

base::Result<guest::Door::Guest> XenDoor::HandleReady(const Waits& waited,
                                                      guest::Dispatcher& dispatcher) {
  const auto& [events, timer] = waited;
  if (events.revents != 0) {
    if (auto handled = HandleEvent(dispatcher); !handled) {
      return handled.failure();
    }
  }
  if (timer.revents != 0) {
    std::uint64_t times = 0;
    if (::read(timer_.get(), &times, sizeof times) == sizeof times && !IsGuestThere()) {
      log_.Say(base::Event::kDomainGone, "the domain was destroyed");
      return Guest::kGone;
    }
  }
  return Guest::kThere;
}

base::Result<void> XenDoor::HandleEvent(guest::Dispatcher& dispatcher) {
  const xenevtchn_port_or_error_t port = xenevtchn_pending(xen_->events.get());
  if (port < 0) {
    return base::Fail("cannot read an event: " + base::ErrnoText());
  }
  const auto channel = static_cast<evtchn_port_t>(port);
  if (IoreqSlot* slot = server_->SlotOf(port)) {
    if (const auto access = slot->Take()) {
      slot->Complete(CarryOut(*access, dispatcher));
    }
    // Complete from this access, or since a daemon was killed before the next line: in both cases
    // the vCPU sleeps until the event. When it is awake already, the event does nothing.
    if (slot->is_complete() && xenevtchn_notify(xen_->events.get(), channel) != 0) {
      return base::Fail("cannot wake a vCPU: " + base::ErrnoText());
    }
  }
  // Reading an event has masked its channel. What came in between is delivered now.
  if (xenevtchn_unmask(xen_->events.get(), channel) != 0) {
    return base::Fail("cannot wait for the next event: " + base::ErrnoText());
  }
  return {};
}

/// Returns what the vCPU reads. For a write it is of no consequence.
std::uint64_t XenDoor::CarryOut(const Access& access, guest::Dispatcher& dispatcher) {
  // The guest gives pages away. They are free when nobody has them mapped, and Xen asks every
  // server to see to that; the vCPU waits for it.
  if (access.type == IOREQ_TYPE_INVALIDATE) {
    kept_.Drop();
    return 0;
  }
  const auto port_access = ToPortAccess(access);
  if (!port_access) {
    Note(base::Event::kAccessOdd, "an access ", OddityText(port_access.error()));
    return 0;
  }
  if (port_access->is_read) {
    return dispatcher.ReadPort(port_access->port, port_access->size);
  }
  if (const auto first_page =
          dispatcher.WritePort(port_access->port, port_access->size, port_access->value)) {
    Serve(*first_page, dispatcher);
  }
  return 0;
}

void XenDoor::Serve(std::uint32_t first_page, guest::Dispatcher& dispatcher) {
  GuestPages mapped = kept_.Take(first_page);
  std::optional<base::ByteSpan> reply;
  if (mapped) {
    reply = dispatcher.ServeFirstPage(guest::MappedPages(mapped.get()));
  }
  // Of kept pages the first one alone can be trusted, and only when there is a request in it.
  if (!reply || reply->size() > guest::kPageBytes) {
    mapped = MapGuestPages(*xen_, first_page);
  }
  if (!mapped) {
    return dispatcher.PagesNotMapped(first_page);
  }
  guest::MappedPages pages(mapped.get());
  std::size_t written_bytes = 0;
  if (reply) {
    guest::CopyIn(*reply, pages);
    written_bytes = reply->size();
  } else {
    written_bytes = dispatcher.Serve(pages);
  }
  // During a live migration Xen notes which pages change, to send them again. It does not see what
  // is written through a mapping of another domain's.
  const std::size_t written_pages = (written_bytes + guest::kPageBytes - 1) / guest::kPageBytes;
  if (xendevicemodel_modified_memory(xen_->device_model.get(), domain_, first_page,
                                     static_cast<std::uint32_t>(written_pages)) != 0) {
    Note(base::Event::kChangeNotNoticed, "",
         "a request was answered, but Xen does not know that the guest's memory has changed");
  }
  kept_.Keep(first_page, std::move(mapped));
}

/// A domain that has only shut down has its servers still, and may go on: a suspend can be
/// cancelled. One that was destroyed has not, even as long as something keeps its number.
bool XenDoor::IsGuestThere() const {
  evtchn_port_t buffered_events = 0;
  return xendevicemodel_get_ioreq_server_info(xen_->device_model.get(), domain_, id_, nullptr,
                                              nullptr, &buffered_events) == 0 ||
         (errno != ENOENT && errno != ESRCH);
}

void XenDoor::Note(base::Event event, std::string_view begin, std::string_view end) noexcept {
  try {
    log_.Say(event, [&] { return std::string(begin) + std::string(end); });
  } catch (const std::bad_alloc&) {
    return;  // the access is completed, which matters more
  }
}

void XenDoor::Close() {
  kept_.Drop();
  server_.reset();
  xen_.reset();
}

}  // namespace

std::unique_ptr<guest::Door> MakeXenDoor(std::uint16_t domain, base::Log& log) {
  return std::make_unique<XenDoor>(domain, log);
}

}  // namespace varstored::guest_xen
