// The dearest request of each kind that is known, with the dearest state that it can meet.
//
// Below callgrind (worst_request.py), each is served once and its instructions are counted. By
// itself, with the path of a varstored-loopback as argument, each is sent to a process of its own,
// and the processor time that it takes is shown; then a stop signal is sent while one is served.
// With --states and a folder, what each meets is left there for the tools (worst_file.py).

#include <unistd.h>
#include <valgrind/callgrind.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "costly_certificates.h"
#include "support/loopback_client.h"
#include "support/process.h"
#include "support/signing.h"
#include "support/temporary_folder.h"
#include "varstored/base/base64.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/variable_name.h"
#include "varstored/engine/variable_services.h"
#include "varstored/health/report.h"
#include "varstored/store/vars_blob.h"

namespace varstored::hostile {
namespace {

using test::CommonName;
using test::Identity;
using test::KeyType;

constexpr std::size_t kMaxData = 57344;
constexpr std::size_t kMaxRecords = std::size_t{1} << 20;

struct Stored {
  std::u16string name;
  test::Guid guid;
  std::uint32_t attributes;
  Bytes data;
};

/// A request and what it meets. `next` asks for the name behind that of `write`, `get` for its
/// data.
struct Case {
  enum class Kind { kSet, kGet, kNext, kReport };
  std::string name;
  std::vector<Stored> stored;
  test::VariableWrite write = {};
  Kind kind = Kind::kSet;
};

constexpr test::Guid kX509 = {0xA1, 0x59, 0xC0, 0xA5, 0xE4, 0x94, 0xA7, 0x4A,
                              0x87, 0xB5, 0xAB, 0x15, 0x5C, 0x2B, 0xF0, 0x72};
constexpr test::Guid kSha256 = {0x26, 0x16, 0xC4, 0xC1, 0x4C, 0x50, 0x92, 0x40,
                                0xAC, 0xA9, 0x41, 0xF9, 0x36, 0x93, 0x43, 0x28};
constexpr test::Guid kOwner = {1};
constexpr test::Guid kVendor = {2};

Bytes ListOf(const std::vector<Bytes>& certificates) {
  return test::SignatureListOf(kX509, kOwner, certificates);
}

/// As many of `certificate` as fit into `bytes`.
Bytes ListOf(const Bytes& certificate, std::size_t bytes) {
  return ListOf(std::vector<Bytes>((bytes - 28) / (certificate.size() + 16), certificate));
}

/// `count` hashes that begin alike.
Bytes Hashes(std::size_t count, std::uint32_t first) {
  std::vector<Bytes> hashes(count, Bytes(32, 0));
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t number = first + i;
    for (std::size_t octet = 0; octet < 4; ++octet) {
      hashes[i][31 - octet] = static_cast<std::uint8_t>(number >> (8 * octet));
    }
  }
  return test::SignatureListOf(kSha256, kOwner, hashes);
}

Stored Key(const std::u16string& name, Bytes data) {
  const bool is_global = name == u"PK" || name == u"KEK";
  return {name, is_global ? test::kGlobalGuid : test::kSecurityDatabaseGuid, 0x27, std::move(data)};
}

test::VariableWrite Write(const std::u16string& name, std::uint32_t attributes, Bytes payload) {
  return {.name = name,
          .guid = test::kSecurityDatabaseGuid,
          .attributes = attributes,
          .payload = std::move(payload)};
}

/// `write` with its descriptor and `message`.
test::VariableWrite With(test::VariableWrite write, ByteSpan message) {
  write.payload = test::WithDescriptor(write.time, message, write.payload);
  return write;
}

test::VariableWrite Signed(test::VariableWrite write, const Identity& signer,
                           const test::SignOptions& options = {}) {
  const Bytes message = test::Sign(test::SignedBytes(write), signer, options);
  return With(std::move(write), message);
}

Bytes OneHash() { return Hashes(1, 0x5A5A5A5A); }

/// What a message of 57344 bytes leaves for the payload.
constexpr std::size_t kRoom = kMaxData - 2048;

std::vector<Case> KeyCases() {
  const Identity owner = Identity::Make({.subject = CommonName("PK")});
  const Bytes explicit_curve = CertificateOf({.key = ExplicitCurveKey()});
  const Stored pk = Key(u"PK", ListOf({owner.certificate()}));
  std::vector<Case> cases;
  cases.push_back({"honest append to db, signed by a key in KEK",
                   {pk, Key(u"KEK", ListOf({owner.certificate()}))},
                   Signed(Write(u"db", 0x67, OneHash()), owner)});
  cases.push_back({"db, all of it certificates with an explicit curve",
                   {pk},
                   Signed(Write(u"db", 0x27, ListOf(explicit_curve, kRoom)), owner)});
  // A signer that KEK does not know, so that every certificate in KEK is looked at.
  const Identity stranger = Identity::Make({.subject = CommonName("KEK"), .serial = 7});
  cases.push_back({"append to db, KEK full of explicit curves",
                   {pk, Key(u"KEK", ListOf(explicit_curve, kMaxData))},
                   Signed(Write(u"db", 0x67, OneHash()), stranger)});
  const Bytes slow = CertificateOf({.serial = 7, .key = RsaKey(1024, 8)});
  cases.push_back({"append to db, 16 signers of one name with the largest RSA keys",
                   {pk},
                   With(Write(u"db", 0x67, OneHash()),
                        UnsignedMessage(std::vector<Bytes>(16, slow), 7, 1024))});
  const Bytes explicit_signer = CertificateOf({.serial = 7, .key = ExplicitCurveKey()});
  cases.push_back({"append to db, 16 signers of one name with an explicit curve",
                   {pk},
                   With(Write(u"db", 0x67, OneHash()),
                        UnsignedMessage(std::vector<Bytes>(16, explicit_signer), 7, 1024))});
  // The signer's certificate says that it is signed with RSA.
  const Bytes leaf = CertificateOf({.subject = "leaf",
                                    .serial = 7,
                                    .key = KeyOf(stranger.certificate()),
                                    .signature_bytes = 1024});
  const test::SignOptions with_leaf = {.certificates_before = {leaf}, .signer_certificate = false};
  cases.push_back({"append to db, KEK full of the largest RSA keys of the issuer's name",
                   {pk, Key(u"KEK", ListOf(slow, kMaxData))},
                   Signed(Write(u"db", 0x67, OneHash()), stranger, with_leaf)});
  cases.push_back({"the same, with a KEK of 1 MiB that an older program left",
                   {pk, Key(u"KEK", ListOf(slow, kMaxRecords - 8192))},
                   Signed(Write(u"db", 0x67, OneHash()), stranger, with_leaf)});
  return cases;
}

std::vector<Case> ChainCases() {
  const Stored pk = Key(u"PK", ListOf({Identity::Make().certificate()}));
  std::vector<Case> cases;
  for (const auto& [type, name] :
       {std::pair(KeyType::kEcP384, "P-384"), std::pair(KeyType::kEcP521, "P-521")}) {
    const Identity issuer = Identity::Make({.subject = CommonName("KEK"), .key_type = type});
    const Identity twin = Identity::Make({.subject = CommonName("KEK"), .key_type = type});
    const Identity leaf = Identity::Make({.subject = CommonName("leaf"), .issuer = &issuer});
    cases.push_back({std::string("append to db, KEK full of keys of the issuer's name, ") + name,
                     {pk, Key(u"KEK", ListOf(twin.certificate(), kMaxData))},
                     Signed(Write(u"db", 0x67, OneHash()), leaf)});
    std::vector<Identity> links = {issuer};
    test::SignOptions options;
    for (int i = 0; i < 15; ++i) {
      links.push_back(Identity::Make({.subject = CommonName("link " + std::to_string(i)),
                                      .issuer = &links.back(),
                                      .key_type = type}));
      if (i < 14) {
        options.certificates_before.push_back(links.back().certificate());
      }
    }
    options.certificates_before.push_back(links.back().certificate());
    links.push_back(Identity::Make({.subject = CommonName("end"), .issuer = &links.back()}));
    cases.push_back({std::string("append to db, a chain of 16, 128 anchors, ") + name,
                     {pk, Key(u"KEK", ListOf(issuer.certificate(), kMaxData))},
                     Signed(Write(u"db", 0x67, OneHash()), links.back(), options)});
  }
  // Names to be checked against names.
  const Identity signer = Identity::Make({.subject = CommonName("KEK"), .serial = 7});
  const Bytes leaf = CertificateOf({.subject = "leaf",
                                    .serial = 7,
                                    .key = KeyOf(signer.certificate()),
                                    .signature_bytes = 128,
                                    .extensions = AlternativeNames(1000)});
  const Bytes anchor = CertificateOf({.key = RsaKey(128, 3), .extensions = NameConstraints(900)});
  cases.push_back({"append to db, 1000 names below 900 constraints",
                   {pk, Key(u"KEK", ListOf({anchor}))},
                   Signed(Write(u"db", 0x67, OneHash()), signer,
                          {.certificates_before = {leaf}, .signer_certificate = false})});
  return cases;
}

std::vector<Case> ListCases() {
  const Identity owner = Identity::Make({.subject = CommonName("PK")});
  const Stored pk = Key(u"PK", ListOf({owner.certificate()}));
  std::vector<Case> cases;
  cases.push_back({"append of 1100 hashes to a full dbx",
                   {pk, Key(u"dbx", Hashes(1190, 0))},
                   Signed(Write(u"dbx", 0x67, Hashes(1100, 1 << 16)), owner)});
  cases.push_back({"append of 1100 hashes to a dbx of 1 MiB that an older program left",
                   {pk, Key(u"dbx", Hashes((kMaxRecords - 4096) / 48, 0))},
                   Signed(Write(u"dbx", 0x67, Hashes(1100, 1 << 16)), owner)});
  Bytes smallest;
  for (std::uint8_t i = 0; smallest.size() < kMaxRecords - 4096; ++i) {
    const Bytes list = ListOf(std::vector<Bytes>{Bytes{i}});
    smallest.insert(smallest.end(), list.begin(), list.end());
  }
  cases.push_back({"append of 1100 hashes to 1 MiB of the smallest lists",
                   {pk, Key(u"dbx", smallest)},
                   Signed(Write(u"dbx", 0x67, Hashes(1100, 1 << 16)), owner)});
  const Bytes entries = ListOf(std::vector<Bytes>((kMaxRecords - 4096) / 17, Bytes{1}));
  cases.push_back({"append of 1100 hashes to 1 MiB of the smallest entries",
                   {pk, Key(u"dbx", entries)},
                   Signed(Write(u"dbx", 0x67, Hashes(1100, 1 << 16)), owner)});
  return cases;
}

std::vector<Case> StoreCases() {
  std::vector<Case> cases;
  std::vector<Stored> long_names;
  for (char16_t i = 0; i < 240; ++i) {
    std::u16string name(2048, u'x');
    name.back() = static_cast<char16_t>(u'A' + i);
    long_names.push_back({name, kVendor, 7, Bytes(8, 1)});
  }
  std::vector<Stored> many;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const std::string number = std::to_string(i);
    many.push_back({std::u16string(number.begin(), number.end()), kVendor, 7, Bytes(512, 1)});
  }
  const auto of = [](const Stored& stored, Bytes data) {
    return test::VariableWrite{
        .name = stored.name, .guid = stored.guid, .attributes = 7, .payload = std::move(data)};
  };
  for (const auto& [stored, name] : {std::pair(&long_names, "240 names of 4096 bytes"),
                                     std::pair(&many, "1000 variables of 512 bytes")}) {
    const Stored& last = stored->front();
    cases.push_back(
        {std::string("the next name among ") + name, *stored, of(last, {}), Case::Kind::kNext});
    cases.push_back(
        {std::string("the data of one of ") + name, *stored, of(last, {}), Case::Kind::kGet});
    cases.push_back({std::string("a byte less in one of ") + name, *stored, of(last, Bytes(7, 2)),
                     Case::Kind::kSet});
  }
  return cases;
}

std::vector<Case> ReportCases() {
  const Bytes explicit_curve = CertificateOf({.key = ExplicitCurveKey()});
  return {{"varstore-inspect, KEK, db and dbx full of explicit curves",
           {Key(u"PK", ListOf({explicit_curve})), Key(u"KEK", ListOf(explicit_curve, kMaxData)),
            Key(u"db", ListOf(explicit_curve, kMaxData)),
            Key(u"dbx", ListOf(explicit_curve, kMaxData))},
           {},
           Case::Kind::kReport}};
}

std::vector<Case> AllCases() {
  std::vector<Case> all;
  for (auto& some : {KeyCases(), ChainCases(), ListCases(), StoreCases(), ReportCases()}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

std::vector<store::Entry> EntriesOf(const Case& one) {
  std::vector<store::Entry> entries;
  for (const Stored& stored : one.stored) {
    entries.push_back(store::MakeEntry({.name = base::ToString(test::NameBytes(stored.name)),
                                        .vendor = {stored.guid},
                                        .attributes = stored.attributes,
                                        .data = stored.data,
                                        .timestamp = {},
                                        .signer = {}}));
  }
  return entries;
}

Bytes BlobOf(const std::vector<store::Entry>& entries) {
  std::vector<const store::Entry*> pointers;
  for (const store::Entry& entry : entries) {
    pointers.push_back(&entry);
  }
  return store::EncodeVarsBlob({}, pointers);
}

/// Keeps the variables as XAPI's does, which encodes all of them for each write.
class BlobBackend final : public store::Backend {
 public:
  explicit BlobBackend(std::vector<store::Entry> entries) : entries_(std::move(entries)) {}

  base::Result<std::optional<std::vector<store::Entry>>> Load() override {
    return std::optional(entries_);
  }
  base::Result<void> Commit(const store::StagedStore& staged) override {
    std::vector<const store::Entry*> pointers;
    staged.ForEach([&pointers](const store::Entry& entry) { pointers.push_back(&entry); });
    kept_ = base::EncodeBase64(store::EncodeVarsBlob({}, pointers));
    return {};
  }
  base::Result<void> ReportSecureBootFailure() override { return {}; }

 private:
  std::vector<store::Entry> entries_;
  std::string kept_;
};

class NoLog final : public base::Log {
 public:
  bool Admits(base::LogLevel /*level*/, std::string_view /*name*/) override { return false; }
  void Put(base::LogLevel /*level*/, std::string_view /*name*/,
           std::string_view /*text*/) override {}
};

/// Serves the request of `one` and gives the name of what became of it.
std::string Serve(const Case& one, engine::VariableServices& services) {
  const Bytes name = test::NameBytes(one.write.name);
  const efi::Guid vendor{one.write.guid};
  switch (one.kind) {
    case Case::Kind::kGet:
      return std::string(engine::ReasonText(
          services.GetVariable({.name = name, .vendor = vendor, .data_size = kMaxData}).reason));
    case Case::Kind::kNext:
      return std::string(engine::ReasonText(
          services.GetNextVariableName({.name_size = 8192, .name = name, .vendor = vendor})
              .reason));
    default:
      return std::string(engine::ReasonText(services
                                                .SetVariable({.name = name,
                                                              .vendor = vendor,
                                                              .attributes = one.write.attributes,
                                                              .data = one.write.payload})
                                                .reason));
  }
}

/// Below callgrind: one dump a case, named after it.
int Count() {
  for (const Case& one : AllCases()) {
    const std::vector<store::Entry> entries = EntriesOf(one);
    std::string outcome = "report";
    if (one.kind == Case::Kind::kReport) {
      const Bytes blob = BlobOf(entries);
      CALLGRIND_START_INSTRUMENTATION;
      CALLGRIND_ZERO_STATS;
      const health::State state = health::ReadState(blob);
      const health::Report report = health::MakeReport(state, {});
      outcome += ", " + std::to_string(report.findings.size()) + " findings";
    } else {
      NoLog log;
      BlobBackend backend(entries);
      engine::VariableServices services({}, backend, log);
      if (const auto booted = services.Boot({}); !booted) {
        std::fprintf(stderr, "%s: %s\n", one.name.c_str(), booted.error().message.c_str());
        return EXIT_FAILURE;
      }
      CALLGRIND_START_INSTRUMENTATION;
      CALLGRIND_ZERO_STATS;
      outcome = Serve(one, services);
    }
    const std::string name = one.name + " | " + outcome;
    CALLGRIND_DUMP_STATS_AT(name.c_str());
    CALLGRIND_STOP_INSTRUMENTATION;
  }
  return EXIT_SUCCESS;
}

/// The processor time that `pid` has taken, in seconds.
double ProcessorTime(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::stringstream text;
  text << file.rdbuf();
  const std::string line = text.str();
  std::istringstream rest(line.substr(line.rfind(')') + 2));
  const std::vector<std::string> fields((std::istream_iterator<std::string>(rest)), {});
  constexpr std::size_t kUserTime = 11;
  return static_cast<double>(std::stol(fields[kUserTime]) + std::stol(fields[kUserTime + 1])) /
         static_cast<double>(sysconf(_SC_CLK_TCK));
}

class Daemon {
 public:
  Daemon(const std::string& program, const Case& one)
      : process_(Start(program, folder_.path(), BlobOf(EntriesOf(one)))) {
    process_.WaitFor(Socket(), [this] { return access(Socket().c_str(), F_OK) == 0; });
  }

  [[nodiscard]] std::string Socket() const { return folder_.path() + "/socket"; }
  [[nodiscard]] test::Process& process() { return process_; }

 private:
  static test::Process Start(const std::string& program, const std::string& folder,
                             const Bytes& blob) {
    const std::string state = folder + "/vm.vars";
    std::ofstream(state, std::ios::binary)
        .write(base::ToString(blob).data(), static_cast<std::streamsize>(blob.size()));
    return test::Process(
        {program, "--listen", folder + "/socket", "--backend", "memory", "--arg", "init:" + state});
  }

  test::TemporaryFolder folder_;
  test::Process process_;
};

/// Processor time of each case, and how long a stop signal in the middle of it takes to be heard.
int Measure(const std::string& program) {
  constexpr double kMostSeconds = 1;
  // Of a clock that goes on while the machine does something else.
  constexpr double kMostSecondsToStop = 10;
  int result = EXIT_SUCCESS;
  std::printf("%-72s %10s %12s\n", "request", "CPU s", "SIGTERM s");
  for (const Case& one : AllCases()) {
    if (one.kind != Case::Kind::kSet) {
      continue;
    }
    const Bytes request = test::SetVariableRequest(test::NameBytes(one.write.name), one.write.guid,
                                                   one.write.attributes, one.write.payload, false);
    Daemon daemon(program, one);
    test::LoopbackClient client(daemon.Socket());
    const double before = ProcessorTime(daemon.process().pid());
    static_cast<void>(client.Command(request));
    const double took = ProcessorTime(daemon.process().pid()) - before;
    // The guest goes on with requests of the kind while the signal comes.
    std::jthread guest([&client, &request] {
      try {
        while (true) {
          static_cast<void>(client.Command(request));
        }
      } catch (const std::exception&) {  // the process has ended
      }
    });
    const double flooding = ProcessorTime(daemon.process().pid());
    while (ProcessorTime(daemon.process().pid()) <= flooding) {
      std::this_thread::yield();
    }
    const auto sent = std::chrono::steady_clock::now();
    const test::Ended ended = daemon.process().Stop();
    const std::chrono::duration<double> stopped = std::chrono::steady_clock::now() - sent;
    std::printf("%-72s %10.2f %12.2f\n", one.name.c_str(), took, stopped.count());
    if (took > kMostSeconds || stopped.count() > kMostSecondsToStop || ended.exit_code != 0) {
      std::printf("  too long, or ended with %d\n", ended.exit_code);
      result = EXIT_FAILURE;
    }
  }
  return result;
}

bool Write(const std::string& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(base::ToString(bytes).data(), static_cast<std::streamsize>(bytes.size()));
  return file.flush().good();
}

/// Of each case N.vars, what is stored; of one that sets a variable N.data, and in N.set the words
/// for varstore-set before and behind the variables: the GUID, the name, the attributes. In N.name
/// what it is called.
int LeaveStates(const std::string& folder) {
  std::size_t number = 0;
  for (const Case& one : AllCases()) {
    const std::string path = folder + "/" + std::to_string(number++);
    bool is_left = Write(path + ".vars", BlobOf(EntriesOf(one))) &&
                   Write(path + ".name", base::ToBytes(one.name));
    if (one.kind == Case::Kind::kSet) {
      const std::string words = efi::ToText(efi::Guid{one.write.guid}) + "\n" +
                                efi::EscapeName(base::ToString(test::NameBytes(one.write.name))) +
                                "\n" + std::to_string(one.write.attributes);
      is_left = is_left && Write(path + ".data", one.write.payload) &&
                Write(path + ".set", base::ToBytes(words));
    }
    if (!is_left) {
      std::fprintf(stderr, "%s: cannot be written\n", path.c_str());
      return EXIT_FAILURE;
    }
  }
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace varstored::hostile

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  using namespace varstored::hostile;
  try {
    if (arguments.empty()) {
      return Count();
    }
    if (arguments[0] == "--states") {
      return LeaveStates(arguments.at(1));
    }
    return Measure(arguments[0]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "worst_request: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
