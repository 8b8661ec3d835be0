#include <getopt.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <iostream>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "page.h"
#include "varstored/base/file.h"
#include "varstored/base/log.h"
#include "varstored/base/standard_streams.h"
#include "varstored/crypto/digest.h"
#include "varstored/efi/guid.h"
#include "varstored/sandbox/helper.h"
#include "varstored/signer/content.h"
#include "varstored/signer/signature.h"
#include "varstored/signer/update.h"
#include "varstored/version.h"

namespace {

using namespace varstored;

constexpr std::size_t kMaxFileBytes = std::size_t{16} << 20U;
constexpr std::int64_t kDaySeconds = 86400;

/// The command line as it was given.
struct Arguments {
  std::optional<std::string> key, certificate, signature, time, guid;
  bool signable = false;
  bool append = false;
  bool managed = false;
  std::string name;
  std::string output;
  std::vector<std::string> inputs;
};

/// What was read, by path. Nobody has looked into it.
using Files = std::map<std::string, base::Bytes>;

/// Lines for people, on standard error.
class Diagnostics final : public base::Log {
  void Put(base::LogLevel level, std::string_view /*name*/, std::string_view line) override {
    std::cerr << page::kName << (level == base::LogLevel::kWarning ? ": warning: " : ": note: ")
              << base::Printable(line) << '\n';
  }
};

base::Failure<base::Error> In(const std::string& path, const base::Error& error) {
  return base::Fail(path + ": " + error.message);
}

base::Result<Files> ReadFiles(const Arguments& arguments) {
  std::vector<std::string> paths = arguments.inputs;
  for (const auto& path : {arguments.certificate, arguments.signature, arguments.key}) {
    // Who only wants what is to be signed may name a key, as older versions take it.
    if (path && !arguments.signable) {
      paths.push_back(*path);
    }
  }
  Files files;
  for (const std::string& path : paths) {
    auto bytes = base::ReadFile(path, kMaxFileBytes);
    if (!bytes) {
      return bytes.failure();
    }
    files.insert_or_assign(path, *std::move(bytes));
  }
  return files;
}

// What is below is for the helper process, up to Make.

/// Runs `parse` on the whole file that was read from `path`; errors name it.
template <class Parse>
auto Parsed(const Files& files, const std::string& path, const Parse& parse)
    -> decltype(parse(base::ByteSpan())) {
  auto parsed = parse(base::ByteSpan(files.at(path)));
  return parsed ? std::move(parsed) : In(path, parsed.error());
}

std::optional<std::int64_t> SecondsIn(const std::string& text) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(seconds)
                                                                  : std::nullopt;
}

base::Result<efi::Time> TimeOf(const Arguments& arguments, base::Log& log) {
  std::int64_t seconds = std::time(nullptr);
  if (arguments.time) {
    seconds = SecondsIn(*arguments.time).value_or(seconds);
    if (seconds > std::time(nullptr) + kDaySeconds) {
      log.Warning("-t " + *arguments.time +
                  " is in the future: until then, nothing can replace what this sets");
    }
  }
  const auto time = signer::TimeOf(seconds);
  if (arguments.signable && !arguments.time) {
    log.Info("join the signature with -t " + std::to_string(seconds));
  }
  if (!time) {
    return base::Fail((arguments.time ? "-t " + *arguments.time : "the clock") +
                      ": not a time from 1970 to 9999");
  }
  return *time;
}

base::Result<efi::Guid> OwnerOf(const Arguments& arguments) {
  if (!arguments.guid) {
    return signer::UsualOwner(arguments.name);
  }
  const auto owner = efi::ParseGuid(*arguments.guid);
  if (!owner) {
    return base::Fail("-g " + *arguments.guid + ": not a GUID such as " +
                      efi::ToText(signer::UsualOwner("db")));
  }
  return *owner;
}

/// For people; an odd name must not break a line.
std::string NameOf(const crypto::Certificate& certificate) {
  return "\"" + base::Printable(certificate.subject_text()) + "\"";
}

void WarnOfExpired(const std::string& path, const crypto::Certificate& certificate,
                   base::Log& log) {
  const auto end = certificate.not_after();
  if (end && *end < std::time(nullptr)) {
    log.Warning(path + ": the certificate " + NameOf(certificate) +
                " has expired; Secure Boot does not look at dates");
  }
}

/// The entries of all inputs as signature lists.
base::Result<base::Bytes> ReadInputs(const Arguments& arguments, const efi::Guid& owner,
                                     const Files& files, base::Log& log) {
  base::Bytes all;
  for (const std::string& path : arguments.inputs) {
    const auto given = Parsed(files, path, signer::ParseGiven);
    if (!given) {
      return given.failure();
    }
    if (given->update) {
      return base::Fail(path + (given->attributes ? ": " + given->what +
                                                        ": without these (tail -c +5) it is one "
                                                        "for SetVariable"
                                                  : ": this is " + given->what +
                                                        " already, for SetVariable as it is"));
    }
    if (given->attributes) {
      log.Info(path + ": " + given->what + ", which are left out");
    }
    const auto& content = given->content;
    if (const auto fits = signer::CheckContent(arguments.name, *content); !fits) {
      return In(path, fits.error());
    }
    for (const crypto::Certificate& certificate : content->certificates) {
      WarnOfExpired(path, certificate, log);
    }
    const base::Bytes lists = arguments.guid ? signer::EncodeContent(*content, owner)
                                             : signer::EncodeContent(*content, arguments.name);
    all.insert(all.end(), lists.begin(), lists.end());
  }
  return all;
}

/// A SignedData and whose it is; both are empty when nobody signs.
struct Signed {
  base::Bytes signed_data = {};
  std::optional<crypto::Certificate> signer = std::nullopt;
};

base::Result<Signed> JoinSignature(const Arguments& arguments, base::ByteSpan signable,
                                   const std::optional<crypto::Certificate>& expected_signer,
                                   const Files& files, base::Log& log) {
  auto signature = Parsed(files, *arguments.signature, [signable](base::ByteSpan file) {
    return signer::ParseSignature(file, signable);
  });
  if (!signature) {
    return signature.failure();
  }
  if (expected_signer && !std::ranges::equal(expected_signer->der(), signature->signer.der())) {
    return base::Fail(*arguments.signature + ": is the signature of " + NameOf(signature->signer) +
                      ", not of " + *arguments.certificate);
  }
  if (signature->has_attributes) {
    log.Warning(
        *arguments.signature +
        " has signed attributes, which UEFI does not want (2.10, 8.2.2): varstored takes it, other "
        "firmware may not; `openssl cms -noattr` leaves them out");
  }
  return Signed{std::move(signature->signed_data), std::move(signature->signer)};
}

base::Result<Signed> SignHere(const Arguments& arguments, base::ByteSpan signable,
                              const std::vector<crypto::Certificate>& certificates,
                              const Files& files, base::Log& log) {
  auto key = Parsed(files, *arguments.key, signer::PrivateKey::Parse);
  if (!key) {
    return key.failure();
  }
  auto signed_data = signer::Sign(signable, *key, certificates);
  if (!signed_data) {
    return In(*arguments.key, signed_data.error());
  }
  WarnOfExpired(*arguments.certificate, certificates.front(), log);
  return Signed{*std::move(signed_data), certificates.front()};
}

base::Result<Signed> MakeSignature(const Arguments& arguments, base::ByteSpan signable,
                                   const Files& files, base::Log& log) {
  std::vector<crypto::Certificate> certificates;
  if (arguments.certificate) {
    auto parsed = Parsed(files, *arguments.certificate, signer::ParseCertificates);
    if (!parsed) {
      return parsed.failure();
    }
    certificates = *std::move(parsed);
  }
  if (arguments.signature) {
    return JoinSignature(arguments, signable,
                         certificates.empty() ? std::nullopt : std::optional(certificates.front()),
                         files, log);
  }
  if (arguments.key) {
    return SignHere(arguments, signable, certificates, files, log);
  }
  return Signed{};
}

/// The engine has the last word, before anything is written.
base::Result<void> Try(const Arguments& arguments, const signer::Update& update,
                       base::ByteSpan auth_file, const Signed& made, base::Log& log) {
  const bool is_pk = arguments.name == "PK";
  const auto taken = made.signer ? signer::TryAuthFile(update, auth_file, made.signer)
                                 : signer::TryAsHost(update, auth_file);
  if (!taken) {
    return base::Fail("no VM would take this update of " + arguments.name + ": " +
                      taken.error().message + " (docs/engine.md, \"Reasons\")");
  }
  if (!is_pk || signer::TryAuthFile(update, auth_file, std::nullopt)) {
    return {};
  }
  if (made.signer) {
    log.Warning("this PK is not signed by itself: it can follow the PK " + NameOf(*made.signer) +
                ", and the host can enroll it, but no guest in setup mode can");
  } else {
    log.Warning(
        "this PK is not signed: the host can enroll it (first boot, varstore-sb-state, "
        "varstore-set), no guest can. Who has its private key can change PK and KEK of the VM");
  }
  return {};
}

/// Whether both paths are the same file, by whatever names.
bool AreSameFile(const std::string& left, const std::string& right) {
  struct stat left_status = {};
  struct stat right_status = {};
  return ::stat(left.c_str(), &left_status) == 0 && ::stat(right.c_str(), &right_status) == 0 &&
         left_status.st_dev == right_status.st_dev && left_status.st_ino == right_status.st_ino;
}

base::Result<void> CheckOutput(const Arguments& arguments) {
  std::vector<std::string> read = arguments.inputs;
  for (const auto& path : {arguments.key, arguments.certificate, arguments.signature}) {
    if (path) {
      read.push_back(*path);
    }
  }
  for (const std::string& path : read) {
    if (AreSameFile(path, arguments.output)) {
      return base::Fail(arguments.output + ": the output would overwrite what is read (" + path +
                        ")");
    }
  }
  return {};
}

/// The bytes of the output.
base::Result<base::Bytes> Make(const Arguments& arguments, const efi::WellKnownVariable& variable,
                               const Files& files, base::Log& log) {
  const auto time = TimeOf(arguments, log);
  const auto owner = OwnerOf(arguments);
  if (!time || !owner) {
    return !time ? time.failure() : owner.failure();
  }
  auto payload = arguments.managed ? base::Result<base::Bytes>(signer::ManagedByTheHost(*owner))
                                   : ReadInputs(arguments, *owner, files, log);
  if (!payload) {
    return payload.failure();
  }
  const signer::Update update{
      .variable = variable,
      .attributes = arguments.append ? signer::kAppend : signer::kReplace,
      .time = *time,
      .payload = *std::move(payload),
  };
  base::Bytes signable = signer::SignableBytes(update);
  if (arguments.signable) {
    return signable;
  }
  const auto made = MakeSignature(arguments, signable, files, log);
  if (!made) {
    return made.failure();
  }
  base::Bytes auth_file = signer::EncodeAuthFile(update, made->signed_data);
  if (auto good = Try(arguments, update, auth_file, *made, log); !good) {
    return good.failure();
  }
  return auth_file;
}

base::Result<void> CreateAuth(const Arguments& arguments) {
  const auto variable = signer::SecureBootVariable(arguments.name);
  if (auto good = CheckOutput(arguments); !good) {
    return good;
  }
  auto files = ReadFiles(arguments);
  if (!files) {
    return files.failure();
  }
  Diagnostics log;
  const auto output = sandbox::InHelper(
      [&](base::Log& lines) { return Make(arguments, *variable, *files, lines); }, log);
  for (auto& [path, content] : *files) {
    crypto::Cleanse(content);  // it may have been a private key
  }
  return output ? base::ReplaceFile(arguments.output, *output) : output.failure();
}

/// What does not go together, or means nothing; empty when all does.
std::string MisuseOf(const Arguments& arguments) {
  if (arguments.managed) {
    if (arguments.name != "PK" || arguments.append || !arguments.inputs.empty()) {
      return "--managed makes a PK of nothing else: PK and OUTPUT, no INPUT, no -a";
    }
  } else if (arguments.inputs.empty()) {
    return "NAME, OUTPUT and at least one INPUT are needed";
  }
  if (!signer::SecureBootVariable(arguments.name)) {
    return base::Printable(arguments.name) + ": none of PK, KEK, db, dbx, dbt, dbr";
  }
  if (const auto owner = OwnerOf(arguments); !owner) {
    return owner.error().message;
  }
  if (arguments.time && !SecondsIn(*arguments.time)) {
    return "-t " + base::Printable(*arguments.time) + ": not a number of seconds since 1970";
  }
  if (arguments.name == "PK" && arguments.append && !arguments.key && !arguments.signature) {
    return "PK is replaced, never added to: no -a";
  }
  if (arguments.signable && arguments.signature) {
    return "-o and -s exclude each other";
  }
  if (arguments.key && arguments.signature) {
    return "-k and -s exclude each other";
  }
  if (arguments.key && !arguments.certificate) {
    return "-k needs -c, the certificate of the key";
  }
  if (arguments.certificate && !arguments.key && !arguments.signature && !arguments.signable) {
    return "-c needs -k, the certificate's key";
  }
  if (arguments.signature && !arguments.time) {
    return "-s needs -t: the time that was signed";
  }
  return {};
}

int Fail(std::string_view message) {
  std::cerr << page::kName << ": " << message << '\n';
  return 1;
}

int Misuse(const std::string& message) {
  constexpr int kMisuseExitCode = 2;
  Fail(message + " (--help shows the usage)");
  return kMisuseExitCode;
}

/// What getopt_long has not understood; `last` is the word before the next one.
std::string UnknownOption(const char* last) {
  constexpr int kFirstLong = 256;
  return optopt == 0 || optopt >= kFirstLong ? std::string(last)
                                             : std::string("-") + static_cast<char>(optopt);
}

int Run(int argc, char** argv) {
  constexpr int kVersionOption = 256;
  constexpr int kManagedOption = 257;
  constexpr option kLong[] = {
      {"append", no_argument, nullptr, 'a'},
      {"certificate", required_argument, nullptr, 'c'},
      {"guid", required_argument, nullptr, 'g'},
      {"help", no_argument, nullptr, 'h'},
      {"key", required_argument, nullptr, 'k'},
      {"managed", no_argument, nullptr, kManagedOption},
      {"signable", no_argument, nullptr, 'o'},
      {"signature", required_argument, nullptr, 's'},
      {"time", required_argument, nullptr, 't'},
      {"version", no_argument, nullptr, kVersionOption},
      {nullptr, 0, nullptr, 0},
  };
  ::opterr = 0;
  Arguments arguments;
  int found = 0;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
  while ((found = ::getopt_long(argc, argv, ":ac:g:hk:os:t:", kLong, nullptr)) != -1) {
    switch (found) {
      case 'a':
        arguments.append = true;
        break;
      case 'c':
        arguments.certificate = optarg;
        break;
      case 'g':
        arguments.guid = optarg;
        break;
      case 'h':
        std::cout << page::kHelp;
        return 0;
      case 'k':
        arguments.key = optarg;
        break;
      case 'o':
        arguments.signable = true;
        break;
      case 's':
        arguments.signature = optarg;
        break;
      case 't':
        arguments.time = optarg;
        break;
      case kManagedOption:
        arguments.managed = true;
        break;
      case kVersionOption:
        std::cout << page::kName << ' ' << kVersion << '\n';
        return 0;
      case ':':
        return Misuse(std::string("'") + argv[optind - 1] + "' needs a value");
      default:
        return Misuse("there is no option '" + UnknownOption(argv[optind - 1]) +
                      "', or it has no value");
    }
  }
  std::vector<std::string> words(argv + optind, argv + argc);
  if (words.size() >= 2) {
    arguments.name = words[0];
    arguments.output = words[1];
    arguments.inputs.assign(words.begin() + 2, words.end());
  }
  if (const auto misuse = MisuseOf(arguments); !misuse.empty()) {
    return Misuse(misuse);
  }
  const auto created = CreateAuth(arguments);
  return created ? 0 : Fail(created.error().message);
}

}  // namespace

int main(int argc, char** argv) {
  base::OpenStandardStreams();
  try {
    return Run(argc, argv);
  } catch (const std::bad_alloc&) {
    return Fail("out of memory");
  }
}
