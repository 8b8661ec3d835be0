#include "varstored/daemon/run.h"

#include <poll.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "announcer.h"
#include "boot_time_file.h"
#include "capabilities.h"
#include "live_snapshot.h"
#include "live_socket.h"
#include "pid_file.h"
#include "rights.h"
#include "stop_signals.h"
#include "varstored/backend/kinds.h"
#include "varstored/backend/meanwhile.h"
#include "varstored/backend/non_persistent.h"
#include "varstored/base/file.h"
#include "varstored/base/file_in_place.h"
#include "varstored/base/standard_streams.h"
#include "varstored/daemon/first_boot_keys.h"
#include "varstored/efi/guid.h"
#include "varstored/engine/certificate_state.h"
#include "varstored/engine/key_drift.h"
#include "varstored/engine/variable_services.h"
#include "varstored/guest/dispatcher.h"
#include "varstored/live/snapshot.h"
#include "varstored/store/vars_blob.h"
#include "varstored/version.h"

namespace varstored::daemon {
namespace {

using OpenedBackend = base::Result<std::unique_ptr<store::Backend>>;

/// Whoever looks into the running VM is served while the backend waits, too.
class LiveMeanwhile final : public backend::Meanwhile {
 public:
  LiveMeanwhile(LiveSocket& live, base::Log& log) : live_(live), log_(log) {}

  /// Before that nobody is served, since there is nothing to tell yet.
  void Begin(LiveSocket::MakeSnapshot make_snapshot) { make_snapshot_ = std::move(make_snapshot); }

  [[nodiscard]] pollfd waits_for() const override {
    return make_snapshot_ ? live_.waits_for() : pollfd{-1, 0, 0};
  }
  [[nodiscard]] int milliseconds() const override {
    return make_snapshot_ ? live_.milliseconds() : -1;
  }
  void HandleReady(const pollfd& waited) noexcept override {
    if (make_snapshot_) {
      live_.HandleReady(waited, make_snapshot_, log_);
    }
  }

 private:
  LiveSocket& live_;
  base::Log& log_;
  LiveSocket::MakeSnapshot make_snapshot_;
};

OpenedBackend OpenBackend(const Options& options, backend::BackendFiles files, int stop_fd,
                          backend::Meanwhile* meanwhile, base::Log& log) {
  const backend::XapiOptions xapi = {
      .start_budget = options.start_budget,
      .request_budget = options.write_patience,
      .boot_write_budget = options.boot_write_patience,
      .stop_fd = stop_fd,
      .meanwhile = meanwhile,
      .are_certificates_up_to_date = engine::AreCertificatesUpToDate};
  auto opened = backend::FindBackendKind(options.backend)
                    ->open(options.backend_arguments, std::move(files), xapi, log);
  if (!opened || !options.nonpersistent) {
    return opened;
  }
  return std::unique_ptr<store::Backend>(
      std::make_unique<backend::NonPersistent>(*std::move(opened)));
}

engine::Policy PolicyOf(const Options& options, const guest::Platform& platform) {
  return {
      .secure_boot = platform.secureboot == "true",
      .enforce = platform.auth_enforce != "false",
      .require_secure_boot = options.require_secure_boot || platform.secureboot_enforce == "true"};
}

/// Fills the store: from a saved state, or as a boot.
base::Result<void> Load(const Options& options, const engine::FirstBootKeys& keys,
                        engine::VariableServices& services, base::Log& log) {
  if (!options.resume) {
    return services.Boot(keys);
  }
  if (!options.resume_path) {
    // No state is not an empty state: what was kept is served. But the guest is no new one either.
    log.Say(base::Event::kVolatileLost, "--resume without resume:FILE");
    engine::FirstBootKeys none;
    none.is_boot = false;
    none.is_boot_time_known = keys.is_boot_time_known;
    return services.Boot(none);
  }
  const auto saved = base::ReadFile(*options.resume_path, store::kMaxBlobBytes);
  if (!saved) {
    return saved.failure();
  }
  if (saved->empty()) {
    return base::Fail(*options.resume_path + ": empty, so nothing was saved there");
  }
  if (auto resumed = services.Resume(*saved); !resumed) {
    return base::Fail(*options.resume_path + ": " + resumed.error().message);
  }
  return {};
}

/// Empty when nobody is to look into the VM.
std::string LiveFolderOf(const Program& program, const Options& options) {
  return options.live_folder.value_or(std::string(program.live_folder));
}

std::optional<efi::Guid> UuidOf(const Options& options) {
  const auto uuid = options.backend_arguments.find("uuid");
  return uuid != options.backend_arguments.end() ? efi::ParseGuid(uuid->second) : std::nullopt;
}

/// A VM is served whether or not somebody can look into it.
LiveSocket OpenLiveSocket(const Program& program, const Options& options, base::Log& log) {
  const std::string folder = LiveFolderOf(program, options);
  if (folder.empty()) {
    return {};
  }
  auto opened = LiveSocket::Open(folder, {.domain = options.domain, .uuid = UuidOf(options)});
  if (!opened) {
    log.Say(base::Event::kLiveSocketFailed,
            "nobody can look into the running VM: " + opened.error().message);
    return {};
  }
  return *std::move(opened);
}

/// In the folder of the socket, which is known to be root's alone when that is there. A VM without
/// a mark is served as well; it is restricted when this daemon is killed.
std::optional<BootTimeFile> OpenBootTimeFile(const Program& program, const Options& options,
                                             const LiveSocket& live,
                                             const guest::Platform& platform, base::Log& log) {
  if (!live.is_open() || platform.start.empty()) {
    return std::nullopt;
  }
  const auto uuid = UuidOf(options);
  const std::string name = uuid ? efi::ToText(*uuid) : std::to_string(options.domain);
  auto opened = BootTimeFile::Open(LiveFolderOf(program, options) + "/" + name + ".boot",
                                   platform.start, platform.former_start);
  if (!opened) {
    log.Say(base::Event::kBootTimeMarkFailed,
            "a VM whose varstored is killed while it boots will not go on with its boot: " +
                opened.error().message);
    return std::nullopt;
  }
  return *std::move(opened);
}

/// From here to the moment when the operating system runs a daemon that takes over knows that it
/// does not.
void MarkBootTime(const std::optional<BootTimeFile>& file, engine::VariableServices& services,
                  base::Log& log) {
  if (!file || services.does_operating_system_run()) {
    return;
  }
  if (const auto marked = file->Mark(); !marked) {
    log.Say(base::Event::kBootTimeMarkFailed,
            "a VM whose varstored is killed while it boots will not go on with its boot: " +
                marked.error().message);
  }
  services.CallWhenOperatingSystemRuns([&file, &log] {
    if (const auto removed = file->Remove(); !removed) {
      log.Say(base::Event::kBootTimeMarkFailed,
              "should this varstored be killed, the next one takes the VM for one that boots: " +
                  removed.error().message);
    }
  });
}

/// Serves the guest until a signal arrives or the guest is gone.
base::Result<void> Serve(guest::Door& door, guest::Dispatcher& dispatcher,
                         const StopSignals& signals, backend::Meanwhile* live) {
  for (;;) {
    const auto [first, second] = door.waits_for();
    std::array<pollfd, 4> waited = {{{signals.fd(), POLLIN, 0}, first, second, {-1, 0, 0}}};
    if (live != nullptr) {
      waited[3] = live->waits_for();
    }
    // No more than there have to be: poll has a limit for them, which is that of open files.
    const nfds_t count = waited.size() - (live != nullptr ? 0 : 1);
    if (::poll(waited.data(), count, live != nullptr ? live->milliseconds() : -1) < 0) {
      if (errno == EINTR) {
        continue;
      }
      return base::Fail("cannot wait for requests: " + base::ErrnoText());
    }
    if (waited[0].revents != 0) {
      return {};
    }
    if (waited[1].revents != 0 || waited[2].revents != 0) {
      const auto guest = door.HandleReady({waited[1], waited[2]}, dispatcher);
      if (!guest) {
        return guest.failure();
      }
      if (*guest == guest::Door::Guest::kGone) {
        return {};
      }
    }
    // After the guest, and also while there is always something of it to do.
    if (live != nullptr) {
      live->HandleReady(waited[3]);
    }
  }
}

/// Opens the file of save:, which cannot be made later. A state that could not be saved in the end
/// is none to begin with.
base::Result<std::optional<base::FileInPlace>> OpenSaveFile(const Options& options) {
  if (!options.save_path) {
    return std::optional<base::FileInPlace>();
  }
  auto opened = base::FileInPlace::Open(*options.save_path);
  return opened ? base::Result<std::optional<base::FileInPlace>>(*std::move(opened))
                : opened.failure();
}

/// The uuid of the VM; empty when the toolstack does not give it.
std::string VmOf(const Options& options) {
  const auto found = options.backend_arguments.find("uuid");
  return found != options.backend_arguments.end() ? found->second : std::string();
}

/// What ends a daemon early: the step that failed, and why.
struct Problem {
  base::Event step;
  std::string why;
};

base::Failure<Problem> In(base::Event step, const base::Error& error) {
  return {{step, error.message}};
}

/// The host's keys; of a VM that resumes, none if there are none to be read: it needs none.
base::Result<engine::FirstBootKeys> ReadKeys(const Program& program, const Options& options) {
  auto keys = ReadFirstBootKeys(options, std::string(program.auth_folder));
  return !keys && options.resume ? engine::FirstBootKeys() : std::move(keys);
}

/// Nothing when none is asked for.
base::Result<std::optional<PidFile>> MakePidFile(const Options& options) {
  if (!options.pid_path) {
    return std::optional<PidFile>();
  }
  auto created = PidFile::Create(*options.pid_path);
  return created ? base::Result<std::optional<PidFile>>(*std::move(created)) : created.failure();
}

base::Result<void, Problem> StartAndServe(const Program& program, const Options& options,
                                          guest::Door& door, StopSignals& signals,
                                          base::SystemLog& log) {
  using base::Event;
  const auto started = std::chrono::steady_clock::now();
  if (const auto opened = signals.OpenDescriptor(); !opened) {
    return In(Event::kStartFailed, opened.error());
  }
  auto keys = ReadKeys(program, options);
  if (!keys) {
    return In(Event::kKeysUnreadable, keys.error());
  }
  const auto pid_file = MakePidFile(options);
  if (!pid_file) {
    return In(Event::kPidFileFailed, pid_file.error());
  }
  const auto platform = door.Prepare();
  if (!platform) {
    return In(Event::kDoorFailed, platform.error());
  }
  keys->is_boot = !platform->is_taken_over;
  LiveSocket live = OpenLiveSocket(program, options, log);
  const auto boot_time = OpenBootTimeFile(program, options, live, *platform, log);
  keys->is_boot_time_known = platform->is_taken_over && boot_time && boot_time->was_marked();
  auto announcer = Announcer::Fork(door);
  if (!announcer) {
    door.Withdraw();
    return In(Event::kStartFailed, announcer.error());
  }
  if (const auto dropped = DropRights(options, log); !dropped) {
    return In(Event::kRightsNotDropped, dropped.error());
  }
  // As the user, and in the root folder, that it is left with.
  const auto save_file = OpenSaveFile(options);
  if (!save_file) {
    return In(Event::kStateNotSaved, save_file.error());
  }
  auto files = backend::FindBackendKind(options.backend)->open_files(options.backend_arguments);
  if (!files) {
    return In(Event::kBackendNotOpened, files.error());
  }
  auto confinement = LockIn(program, options, live.is_open(), log);
  if (!confinement) {
    return In(Event::kRightsNotDropped, confinement.error());
  }

  std::optional<LiveMeanwhile> meanwhile;
  if (live.is_open()) {
    meanwhile.emplace(live, log);
  }
  backend::Meanwhile* const others = meanwhile ? &*meanwhile : nullptr;
  const auto backend = OpenBackend(options, *std::move(files), signals.fd(), others, log);
  if (!backend) {
    return In(Event::kBackendNotOpened, backend.error());
  }
  engine::VariableServices services(PolicyOf(options, *platform), **backend, log);
  if (const auto loaded = Load(options, *keys, services, log); !loaded) {
    return In(
        services.lacks_secure_boot() ? Event::kSecureBootNotInForce : Event::kVariablesNotLoaded,
        loaded.error());
  }
  MarkBootTime(boot_time, services, log);
  if (options.default_keys) {
    services.ServeDefaultKeys(*keys);
  }
  if (const auto entered = confinement->Enter(); !entered) {
    return In(Event::kRightsNotDropped, entered.error());
  }
  const engine::KeysFound found = engine::FindKeys(services.store(), *keys);
  log.Say(Event::kKeysFound, engine::ToText(found));
  guest::Dispatcher dispatcher(services, log);

  if (const auto blocked = signals.ReadFromDescriptor(); !blocked) {
    return In(Event::kStartFailed, blocked.error());
  }
  if (const auto announced = announcer->Announce(); !announced) {
    return In(Event::kNotAnnounced, announced.error());
  }
  const std::string vm = VmOf(options);
  log.Say(Event::kReady, (vm.empty() ? "" : "VM " + vm + ": ") +
                             std::to_string(services.store().size()) + " variables, " +
                             std::to_string(services.store().used_bytes()) + " of " +
                             std::to_string(engine::kStoreBytes) + " bytes used");

  const std::string version = std::string(program.name) + " " + std::string(kVersion);
  if (meanwhile) {
    meanwhile->Begin([&] {
      return MakeLiveSnapshot(version, options.backend, started, found, services, dispatcher);
    });
  }
  const auto served = Serve(door, dispatcher, signals, others);
  door.Close();
  // The state is as good as before when the door broke: it is saved all the same.
  const auto saved = *save_file ? (*save_file)->Write(services.Save()) : base::Result<void>();
  log.SayWhatIsLeftOut();
  log.Say(Event::kEnded, "answers: " + dispatcher.CountersText());
  if (!served) {
    return In(Event::kServiceFailed, served.error());
  }
  return saved ? base::Result<void, Problem>() : In(Event::kStateNotSaved, saved.error());
}

int RunWithLog(const Program& program, std::span<const std::string_view> arguments,
               MakeDoor make_door, StopSignals& signals, base::SystemLog& log) {
  const auto options = ReadOptions(program, arguments);
  if (!options) {
    const auto& [message, exit_code] = options.error();
    log.Say(base::Event::kOptionsWrong,
            message + (exit_code == 2 ? " (--help shows the usage)" : ""));
    return exit_code;
  }
  if (options->help || options->version) {
    const std::string text = options->help
                                 ? std::string(program.help)
                                 : std::string(program.name) + " " + std::string(kVersion) + "\n";
    return std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0 ? 0 : 1;
  }
  if (options->capabilities) {
    const std::string text = CapabilitiesText(program.name) + "\n";
    return std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0 ? 0 : 1;
  }
  log.set_level(options->log_level);
  log.SetSubject(program.door == Program::Door::kXen ? std::to_string(options->domain) : "",
                 VmOf(*options));
  const auto door = make_door(*options, log);
  const auto ended = StartAndServe(program, *options, *door, signals, log);
  if (!ended) {
    log.Say(ended.error().step, ended.error().why);
    return 1;
  }
  return 0;
}

}  // namespace

int Run(const Program& program, int argc, const char* const* argv, MakeDoor make_door) {
  base::OpenStandardStreams();
  StopSignals signals;
  base::SystemLog log(std::string(program.name), base::LogLevel::kInfo);
  try {
    const std::span<const char* const> all(argv, static_cast<std::size_t>(argc));
    const auto given = all.subspan(all.empty() ? 0 : 1);
    const std::vector<std::string_view> arguments(given.begin(), given.end());
    return RunWithLog(program, arguments, make_door, signals, log);
  } catch (const std::bad_alloc&) {
    log.Say(base::Event::kNoMemory, "the daemon got no memory and ends");
    return 1;
  }
}

}  // namespace varstored::daemon
