#include "workshop.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <utility>

#include "support/signing.h"
#include "varstored/backend/sqlite.h"
#include "varstored/base/base64.h"
#include "varstored/base/file.h"
#include "varstored/efi/guid.h"
#include "varstored/efi/signature_list.h"
#include "varstored/efi/variable_name.h"
#include "varstored/efi/well_known.h"
#include "varstored/engine/variable_services.h"
#include "varstored/store/vars_blob.h"

namespace varstored::tool {
namespace {

class NoLog final : public base::Log {
 public:
  void Put(base::LogLevel /*level*/, std::string_view /*name*/,
           std::string_view /*text*/) override {}
};

/// Keeps nothing, and has `entries`.
class Fixed final : public store::Backend {
 public:
  explicit Fixed(std::vector<store::Entry> entries) : entries_(std::move(entries)) {}
  base::Result<std::optional<std::vector<store::Entry>>> Load() override {
    return std::optional(entries_);
  }
  base::Result<void> Commit(const store::StagedStore& /*staged*/) override { return {}; }
  base::Result<void> ReportSecureBootFailure() override { return {}; }

 private:
  std::vector<store::Entry> entries_;
};

template <class T>
T Must(base::Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message);
  }
  return *std::move(result);
}

void Write(const std::string& path, base::ByteSpan bytes) {
  if (const auto written = base::WriteFileInPlace(path, bytes); !written) {
    throw std::runtime_error(written.error().message);
  }
  ::chmod(path.c_str(), 0640);
}

void Write(const std::string& path, std::string_view text) { Write(path, base::ToBytes(text)); }

/// What a VM that runs leaves behind when it is suspended.
base::Bytes SaveFile() {
  NoLog log;
  Fixed backend(UsualEntries());
  engine::VariableServices services({.secure_boot = true}, backend, log);
  if (const auto booted = services.Boot({}); !booted) {
    throw std::runtime_error(booted.error().message);
  }
  const base::Bytes name = base::ToBytes(efi::NameFromAscii("Volatile").bytes());
  const base::Bytes data = base::ToBytes("gone at the end");
  static_cast<void>(services.SetVariable(
      {.name = name, .vendor = *efi::ParseGuid(kVendorText), .attributes = 6, .data = data}));
  const base::Bytes lock = base::ToBytes(efi::kMorLock.name);
  const base::Bytes key = base::ToBytes("MORlock!");
  static_cast<void>(services.SetVariable(
      {.name = lock, .vendor = efi::kMorLockGuid, .attributes = 7, .data = key}));
  return services.Save();
}

void MakeDatabase(const std::string& path, const std::vector<store::Entry>& entries) {
  NoLog log;
  const auto backend = Must(backend::SqliteBackend::Open(path, log));
  static_cast<void>(Must(backend->Load()));
  if (entries.empty()) {
    return;
  }
  const store::Store nothing;
  store::StagedStore staged(nothing);
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    staged.Put(*entry);
  }
  if (const auto kept = backend->Commit(staged); !kept) {
    throw std::runtime_error(kept.error().message);
  }
}

void MakeOtherDatabase(const std::string& path) {
  sqlite3* database = nullptr;
  sqlite3_open(path.c_str(), &database);
  sqlite3_exec(database, "CREATE TABLE t (x)", nullptr, nullptr, nullptr);
  sqlite3_close(database);
}

/// One X.509 list with the signer's own certificate.
base::Bytes OwnList(const test::Identity& identity) {
  return test::SignatureListOf(efi::TypeOf(efi::SignatureKind::kX509).guid.bytes, {},
                               {identity.certificate()});
}

struct HostKeys {
  base::Bytes pk;
  base::Bytes kek;
  base::Bytes db;
  base::Bytes dbx;
};

/// The same keys for all workshops of a test program: to make them takes time.
const HostKeys& KeysOfHost() {
  static const HostKeys kKeys = [] {
    const auto pk = test::Identity::Make({.subject = test::CommonName("Host PK")});
    const auto kek = test::Identity::Make({.subject = test::CommonName("Host KEK")});
    const auto hashes = test::SignatureListOf(efi::TypeOf(efi::SignatureKind::kSha256).guid.bytes,
                                              {}, {base::Bytes(32, 0x11), base::Bytes(32, 0x22)});
    const auto& global = efi::kGlobalVariableGuid.bytes;
    const auto& database = efi::kImageSecurityDatabaseGuid.bytes;
    return HostKeys{
        .pk = test::AuthPayload({.name = u"PK", .guid = global, .payload = OwnList(pk)}, pk),
        .kek = test::AuthPayload({.name = u"KEK", .guid = global, .payload = OwnList(kek)}, pk),
        .db = test::AuthPayload({.name = u"db", .guid = database, .payload = OwnList(kek)}, kek),
        .dbx = test::AuthPayload(
            {.name = u"dbx", .guid = database, .attributes = 0x67, .payload = hashes}, kek),
    };
  }();
  return kKeys;
}

/// Lines of 64 characters.
std::string Wrapped(std::string_view text) {
  constexpr std::size_t kColumns = 64;
  std::string lines;
  for (std::size_t at = 0; at < text.size(); at += kColumns) {
    lines += (at == 0 ? "" : "\r\n") + std::string(text.substr(at, kColumns));
  }
  return lines;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
    at += to.size();
  }
  return text;
}

std::vector<std::string> SplitWords(std::string_view text) {
  std::vector<std::string> words;
  std::optional<std::string> word;
  bool is_quoted = false;
  for (const char c : text) {
    if (c == '\'') {
      is_quoted = !is_quoted;
      word = word.value_or("");
    } else if (c != ' ' || is_quoted) {
      word = word.value_or("") + c;
    } else if (word) {
      words.push_back(*std::exchange(word, std::nullopt));
    }
  }
  if (word) {
    words.push_back(*word);
  }
  return words;
}

}  // namespace

store::Entry MakeEntry(std::string_view guid, std::string_view name, std::uint32_t attributes,
                       std::string_view data) {
  return store::MakeEntry({.name = efi::NameFromUtf8(name)->bytes(),
                           .vendor = *efi::ParseGuid(guid),
                           .attributes = attributes,
                           .data = base::ToBytes(data)});
}

std::vector<store::Entry> UsualEntries() {
  store::LegacyRecord mine;
  mine.name = efi::NameFromAscii("Private").bytes();
  mine.vendor = *efi::ParseGuid(kVendorText);
  mine.attributes = 0x27;
  mine.data = base::ToBytes("mine");
  mine.timestamp.year = 2024;
  mine.signer.fill(0xAB);
  return {MakeEntry(kGlobalText, "BootOrder", 7, std::string_view("\x01\0\x02\0", 4)),
          MakeEntry(kVendorText, "Note", 7, "kept"),
          MakeEntry(kVendorText, "B\xC3\xB6se\x01\n\xC2\x85 Zeile", 3, "x"),
          store::MakeEntry(std::move(mine))};
}

base::Bytes BlobOf(const std::vector<store::Entry>& entries) {
  store::Ancillary ancillary;
  ancillary.mor_key.fill(0x5A);
  ancillary.ppi_index = 3;
  ancillary.ppi_volatile.fill(0xC3);
  std::vector<const store::Entry*> pointers;
  pointers.reserve(entries.size());
  for (const store::Entry& entry : entries) {
    pointers.push_back(&entry);
  }
  return store::EncodeVarsBlob(ancillary, pointers);
}

Workshop::Workshop() {
  const base::Bytes kept = BlobOf(UsualEntries());
  const std::string base64 = base::EncodeBase64(kept);
  Write(File("kept.vars"), kept);
  Write(File("kept.b64"), base64 + "\n");
  Write(File("wrapped.b64"), Wrapped(base64));
  Write(File("saved.vars"), SaveFile());
  MakeDatabase(File("vm.db"), UsualEntries());
  MakeDatabase(File("new.db"), {});
  MakeOtherDatabase(File("other.db"));
  std::vector<store::Entry> odd = UsualEntries();
  odd.push_back(store::MakeEntry({.name = std::string("O\0d\0d", 5),
                                  .vendor = *efi::ParseGuid(kVendorText),
                                  .attributes = 7,
                                  .data = base::ToBytes("odd")}));
  Write(File("odd.vars"), BlobOf(odd));
  Write(File("data"), "hello");

  Write(File("empty"), "");
  Write(File("cut.vars"), base::ByteSpan(kept).first(kept.size() / 2));
  Write(File("cut.b64"), base64.substr(0, base64.size() / 8 * 4));
  Write(File("huge"), base::Bytes(3 * store::kMaxBlobBytes, 'A'));
  Write(File("text"), "These are no variables.\n");
  base::Bytes version9 = kept;
  version9[4] = 9;
  Write(File("version9.vars"), version9);
  Write(File("secret"), kept);
  std::filesystem::create_directory(File("folder"));
  if (::mkfifo(File("pipe").c_str(), 0600) != 0 || ::chmod(File("secret").c_str(), 0) != 0) {
    throw std::runtime_error("cannot make the files of a workshop");
  }

  const HostKeys& keys = KeysOfHost();
  for (const char* folder : {"keys", "no-pk", "bad-keys"}) {
    std::filesystem::create_directory(File(folder));
    Write(File(folder) + "/KEK.auth", keys.kek);
    Write(File(folder) + "/db.auth", keys.db);
    Write(File(folder) + "/dbx.auth", keys.dbx);
  }
  Write(File("keys/PK.auth"), keys.pk);
  Write(File("bad-keys/PK.auth"), keys.pk);
  Write(File("bad-keys/KEK.auth"), "no update");
  Write(File("varstored.conf"), "auth-dir = " + File("keys") + "\nrequire-db = yes\n");

  std::filesystem::create_directory(File("lists"));
  Write(File("lists/10-first"), "# of the first vendor\n\n" + std::string(kVendorText) + " Note\n");
  Write(File("lists/20-second"),
        "  " + std::string(kVendorText) + "\tPrivate \r\n" + std::string(kVendorText) + " Absent");
  Write(File("lists/.hidden"), "nobody reads this\n");
  std::filesystem::create_directory(File("lists/30-folder"));
  std::filesystem::create_directory(File("bad-lists"));
  Write(File("bad-lists/list"), std::string(kVendorText) + " Note\nno-guid Private\n");
  std::filesystem::create_directory(File("read-only-lists"));
  Write(File("read-only-lists/list"),
        std::string(kVendorText) + " Note\n" + std::string(kGlobalText) + " SetupMode\n");
}

base::Bytes Workshop::Content(std::string_view name) const {
  return Must(base::ReadFile(File(name), 4 * store::kMaxBlobBytes));
}

test::Ended Workshop::Run(const std::vector<std::string>& words) const {
  std::vector<std::string> command;
  if (::geteuid() == 0) {
    command = {"/usr/bin/setpriv", "--bounding-set=-dac_override,-dac_read_search"};
  }
  if (words.front().ends_with("certcheck")) {
    // It becomes nobody, and a sanitizer that looks for leaks then has no right to.
    command.insert(command.end(), {"/usr/bin/env", "LSAN_OPTIONS=detect_leaks=0"});
  }
  command.push_back(TOOLS "/" + words.front());
  for (std::size_t i = 1; i < words.size(); ++i) {
    command.push_back(Replaced(words[i], "@", folder_.path() + "/"));
  }
  test::Ended ended = test::RunProgram(command);
  ended.output = Replaced(ended.output, folder_.path() + "/", "@");
  ended.errors = Replaced(ended.errors, folder_.path() + "/", "@");
  return ended;
}

test::Ended Workshop::Run(std::string_view words) const { return Run(SplitWords(words)); }

}  // namespace varstored::tool
