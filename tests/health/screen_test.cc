#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "health/states.h"
#include "support/signing.h"
#include "varstored/health/render.h"
#include "varstored/health/report.h"

namespace varstored::health {
namespace {

using base::Bytes;

/// A certificate whose size does not change with its key.
Bytes Certificate(const std::string& name, const std::string& not_after) {
  return test::Identity::Make({.subject = test::CommonName(name),
                               .key_type = test::KeyType::kRsa2048,
                               .not_after = not_after})
      .certificate();
}

/// Something of everything that a screen can show.
State Anything() {
  State state;
  state.entries = {
      Make("BootOrder", {2, 0, 1, 0, 9, 0}),
      Make("BootNext", {1, 0}),
      Make("Boot0001", BootOptionData(u"Debian", u"\\EFI\\debian\\shimx64.efi")),
      Make("Boot0002", BootOptionData(u"\x1b[31mred \x202e", u"\\EFI\\\x0416\\a.efi")),
      Make("Boot0003", BootOptionData(u"not ordered", u"\\x")),
      Make(efi::kPk, CertificateList(kSomebody, Certificate("Platform", "20491231235959Z"))),
      Make(efi::kKek,
           CertificateList(kMicrosoft, Certificate("A key exchange key of a name that is "
                                                   "longer than any screen is wide, and "
                                                   "goes on for a while after that too",
                                                   "20260101000000Z"))),
      Make(efi::kDb, CertificateList(kSomebody, Bytes(50, 3)) +
                         CertificateList(kSomebody, Certificate("Loader", "20300615000000Z"))),
      Make(efi::kDbx, HashList(kSomebody, 0, 700) + HashList(kMicrosoft, 0, 700)),
      Make("Lang", {'e', 'n', 'g', 0}),
      Make("Lang", {'f', 'r', 0}),
      Make("Data", Bytes(12345, 1), 0x07, kSomebody)};
  return state;
}

/// Compares with a file, which is written anew when the environment's UPDATE_SCREENS is set.
void ExpectScreen(const std::string& name, const std::string& shown) {
  const std::string path = std::string(SCREENS_FOLDER) + "/" + name;
  if (std::getenv("UPDATE_SCREENS") != nullptr) {
    std::ofstream(path) << shown;
  }
  std::ostringstream expected;
  expected << std::ifstream(path).rdbuf();
  EXPECT_EQ(shown, expected.str()) << path;
}

TEST(Screen, LooksLikeItsFileAtEachWidth) {
  const Report report = MakeReport(Anything(), VmContext());
  ExpectScreen("anything.80.txt", RenderScreen(report, {.width = 80}));
  ExpectScreen("anything.120.txt", RenderScreen(report, {.width = 120}));
}

TEST(Screen, OfAVmThatWasNeverStartedLooksLikeItsFile) {
  Context context = VmContext();
  context.is_first_boot = true;
  const Report report = MakeReport(State(), context);
  ExpectScreen("first_boot.80.txt", RenderScreen(report, {.width = 80}));
  ExpectScreen("first_boot.120.txt", RenderScreen(report, {.width = 120}));
}

TEST(Screen, OfABlobThatWasCutLooksLikeItsFile) {
  Bytes blob = EncodeState(Anything());
  blob.resize(blob.size() - 100);
  const Report report = MakeReport(ReadState(blob), VmContext());
  ExpectScreen("cut.80.txt", RenderScreen(report, {.width = 80}));
  ExpectScreen("cut.120.txt", RenderScreen(report, {.width = 120}));
}

/// A VM that runs, and a guest that knows what a terminal makes of some names.
Report RunningReport() {
  Context context = VmContext();
  constexpr std::uint64_t kHour = 3'600'000'000;
  context.running = Running{
      .name = {.domain = 5, .uuid = efi::ParseGuid("1c9a3a52-6d0a-4b3e-8e3d-0c2f6f7f2b11")},
      .counts = {.version = "varstored 1.0.0",
                 .backend = "xapidb",
                 .uptime_us = 52 * kHour,
                 .answers = {{"GetVariable", "success", "Success", 1204},
                             {"GetVariable", "not-found", "Not Found", 300},
                             {"GetVariable", "hidden-at-runtime", "Not Found", 10},
                             {"SetVariable", "success", "Success", 90},
                             {"SetVariable", "unchanged", "Success", 6},
                             {"SetVariable", "store-full", "Out of Resources", 1},
                             {"other", "unsupported-version", "Unsupported", 2}},
                 .unmapped = 1,
                 .ignored_accesses = 2,
                 .backend_calls = 88,
                 .backend_us = 1'234'567,
                 .backend_longest_us = 48'251,
                 .last_error = live::LastError{.call = "SetVariable",
                                               .reason = "store-full",
                                               .status = "Out of Resources",
                                               .age_us = 3 * kHour + kHour / 5,
                                               .vendor = efi::Guid{},
                                               .name = std::string("\x1b\0[\0m\0\n\0a\0", 10)},
                 .found = live::Found{.is_secure_boot_on = false,
                                      .pk = 0,
                                      .kek = 2,
                                      .db = 4,
                                      .dbx = 1431,
                                      .drift = "older",
                                      .waits_us = 12'000'000}}};
  return MakeReport(State(), context);
}

TEST(Screen, OfAVmThatRunsLooksLikeItsFile) {
  ExpectScreen("running.80.txt", RenderScreen(RunningReport(), {.width = 80}));
  ExpectScreen("running.120.txt", RenderScreen(RunningReport(), {.width = 120}));
}

TEST(Json, OfAVmThatRunsLooksLikeItsFile) {
  ExpectScreen("running.json", RenderJson(RunningReport()));
}

TEST(Screen, IsNeverNarrowerOrWiderThanItCanBe) {
  const Report report = MakeReport(Anything(), VmContext());
  EXPECT_EQ(RenderScreen(report, {.width = 0}), RenderScreen(report, {.width = 80}));
  EXPECT_EQ(RenderScreen(report, {.width = 1000}), RenderScreen(report, {.width = 120}));
}

TEST(Screen, IsTheSameWithoutItsColours) {
  const Report report = MakeReport(Anything(), VmContext());
  std::string plain;
  bool is_code = false;
  for (const char c : RenderScreen(report, {.has_colours = true})) {
    is_code = is_code || c == '\x1b';
    if (!is_code) {
      plain.push_back(c);
    }
    is_code = is_code && c != 'm';
  }
  // Padding in front of the end of a line may be inside of a colour.
  std::string trimmed;
  std::istringstream lines(plain);
  for (std::string line; std::getline(lines, line);) {
    line.erase(line.find_last_not_of(' ') + 1);
    trimmed += line + "\n";
  }
  EXPECT_EQ(trimmed, RenderScreen(report, {}));
}

TEST(Short, IsFiveLinesWithASignThatNeedsNoColour) {
  ExpectScreen("short.80.txt", RenderShort(MakeReport(Anything(), VmContext()), {}) + "\n" +
                                   RenderShort(MakeReport(State(), {}), {}) + "\n" +
                                   RenderShort(RunningReport(), {}));
}

TEST(Short, NeverWrapsALine) {
  Context context = VmContext();
  context.target = std::string(500, 'x');
  const std::string lines = RenderShort(MakeReport(Anything(), context), {});
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 5);
  EXPECT_EQ(lines.find('\n'), 80U);
}

TEST(Space, NeverHidesDbxAndNamesAFamilyByItsNumbers) {
  State state;
  for (int i = 1; i <= 10; ++i) {
    state.entries.push_back(Make("Attempt " + std::to_string(i), Bytes(20, 1), 0x07, kSomebody));
    state.entries.push_back(
        Make("Big" + std::string(1, static_cast<char>('g' + i)), Bytes(3000, 1), 0x07, kSomebody));
  }
  state.entries.push_back(Make(efi::kDbx, HashList(kSomebody, 0, 1)));
  const std::string screen = RenderScreen(MakeReport(state, VmContext()), {});
  EXPECT_NE(screen.find("\n  10 Attempt 1..10 "), std::string::npos) << screen;
  const std::size_t space = screen.find("\nSpace\n");
  EXPECT_NE(screen.find("\n  dbx  ", space), std::string::npos) << screen;
}

TEST(Picture, LooksLikeItsFile) {
  ExpectScreen("anything.svg", RenderSvg(MakeReport(Anything(), VmContext())));
}

TEST(Json, LooksLikeItsFile) {
  // The keys are others each time.
  const std::regex digest(R"re("(sha256|sha1)":"[0-9a-f]+")re");
  ExpectScreen("anything.json", std::regex_replace(RenderJson(MakeReport(Anything(), VmContext())),
                                                   digest, R"("$1":"")"));
}

TEST(Findings, AreShownAloneToo) {
  const Report report = MakeReport(Anything(), VmContext());
  const std::string all = RenderScreen(report, {});
  const std::string alone = RenderFindings(report.findings, {});
  EXPECT_NE(all.find(alone), std::string::npos);
  EXPECT_LT(all.find(alone), all.find("\nKeys "));
  EXPECT_EQ(RenderFindings({}, {}), "");
}

}  // namespace
}  // namespace varstored::health
