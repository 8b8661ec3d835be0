#include <unistd.h>

#include <cstdlib>
#include <regex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "workshop.h"

/// What holds for each tool and each wrong input, as a product of two lists.
namespace varstored::tool {
namespace {

const std::vector<std::string> kTools = {
    "varstore-ls",
    "varstore-get",
    "varstore-set",
    "varstore-rm",
    "varstore-sb-state",
    "varstore-nvram-certcheck",
    "varstore-authfile-certcheck",
    "varstore edit",
    "varstore boot",
};

/// A call of each tool that looks at a VM's variables; PLACE stands for where they are.
const std::vector<std::string> kCalls = {
    "varstore-ls PLACE",
    "varstore-get PLACE 12345678-1234-1234-1234-123456789abc Note",
    "varstore-get -a PLACE 12345678-1234-1234-1234-123456789abc Note",
    "varstore-set PLACE 12345678-1234-1234-1234-123456789abc Note 7 @data",
    "varstore-rm PLACE 12345678-1234-1234-1234-123456789abc Note",
    "varstore-rm -c PLACE --clone-lists @lists",
    "varstore-sb-state PLACE setup",
    "varstore-sb-state PLACE user --auth-dir @keys",
    "varstore-nvram-certcheck PLACE",
};

constexpr int kMisuse = 2;

std::string With(std::string call, const std::string& place) {
  return call.replace(call.find("PLACE"), 5, place);
}

/// This exit code, nothing on standard output, and one line on standard error that begins with the
/// tool's name and names the reason.
void ExpectFailure(const test::Ended& ended, const std::string& call, std::string_view reason,
                   int exit_code = 1) {
  // A command of the front has two words.
  const std::size_t first = call.find(' ');
  const std::string tool =
      call.substr(0, call.starts_with("varstore ") ? call.find(' ', first + 1) : first);
  EXPECT_EQ(ended.exit_code, exit_code) << call;
  EXPECT_EQ(ended.output, "") << call;
  EXPECT_TRUE(ended.errors.starts_with(tool + ": ")) << call << ": " << ended.errors;
  EXPECT_NE(ended.errors.find(reason), std::string::npos) << call << ": " << ended.errors;
  EXPECT_EQ(ended.errors.find('\n'), ended.errors.size() - 1) << call << ": " << ended.errors;
}

TEST(EveryTool, RefusesWhatIsNoFileOfVariables) {
  const Workshop workshop;
  const std::vector<std::pair<std::string, std::string>> files = {
      {"@missing", "no such file"},
      {"@folder", "@folder: "},
      {"@pipe", "@pipe: not a regular file"},
      {"/dev/null", "/dev/null: not a regular file"},
      {"@empty", "@empty: it is empty"},
      {"@cut.vars", "@cut.vars: VARS blob, offset 16: the header says"},
      {"@cut.b64", "@cut.b64: VARS blob, offset 16: the header says"},
      {"@huge", "@huge: larger than 2097152 bytes"},
      {"@text", "@text: no VARS blob, and not base64: unexpected character at offset 22"},
      {"@version9.vars", "@version9.vars: VARS blob, offset 4: version 9 is not known"},
      {"@secret", "@secret: cannot open: Permission denied"},
  };
  for (const auto& [file, reason] : files) {
    for (const std::string& call : kCalls) {
      const std::string words = With(call, file);
      ExpectFailure(workshop.Run(words), words, reason);
    }
  }
}

TEST(EveryTool, RefusesADatabaseOfAnotherProgram) {
  const Workshop workshop;
  for (const std::string& call : kCalls) {
    const std::string words = With(call, "@other.db");
    ExpectFailure(workshop.Run(words), words,
                  call.starts_with("varstore-nvram-certcheck")
                      ? "not base64"
                      : "@other.db: an SQLite database of another program");
  }
}

TEST(EveryTool, MakesNoDatabaseThatIsNotThere) {
  const Workshop workshop;
  for (const std::string& call : kCalls) {
    if (!call.starts_with("varstore-nvram-certcheck")) {
      const std::string words = With(call, "--backend sqlite --arg path:@missing");
      ExpectFailure(workshop.Run(words), words, "@missing: No such file or directory");
      ExpectFailure(workshop.Run(words), words, "@missing: No such file or directory");
    }
  }
}

TEST(EveryTool, SaysThatNoToolstackListens) {
  const Workshop workshop;
  for (const std::string& call : kCalls) {
    if (!call.starts_with("varstore-nvram-certcheck")) {
      const std::string words =
          With(call, "01234567-89ab-cdef-0123-456789abcdef -s @nobody --wait 0");
      ExpectFailure(workshop.Run(words), words,
                    "given up: @nobody: cannot connect: No such file or directory");
    }
  }
}

TEST(EveryTool, SaysThatItsOutputCannotBeWritten) {
  const Workshop workshop;
  const test::Ended ended = test::RunProgram(
      {"/bin/sh", "-c", TOOLS "/varstore-ls " + workshop.File("kept.vars") + " >/dev/full"});
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_EQ(ended.errors,
            "varstore-ls: cannot write to standard output: No space left on device\n");
}

TEST(EveryTool, PrintsItsUsageAndItsVersion) {
  const Workshop workshop;
  for (const std::string& tool : kTools) {
    for (const char* option : {"-h", "--help"}) {
      const test::Ended help = workshop.Run(tool + " " + option);
      EXPECT_EQ(help.exit_code, 0) << tool;
      EXPECT_TRUE(help.output.starts_with("usage: " + tool + " ")) << help.output;
      EXPECT_EQ(help.errors, "") << tool;
    }
    const test::Ended version = workshop.Run(tool + " --version");
    EXPECT_EQ(version.exit_code, 0) << tool;
    EXPECT_TRUE(std::regex_match(version.output, std::regex(tool + " [0-9.]+\n"))) << tool;
    EXPECT_EQ(version.errors, "") << tool;
  }
}

TEST(EveryTool, OpensItsFilesInsideOfTheNewRootFolder) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  // The search for leaks wants /proc, which the new root folder does not have.
  ::setenv("LSAN_OPTIONS", "detect_leaks=0", 1);
  const Workshop workshop;
  using Words = std::vector<std::string>;
  for (const auto& [tool, files] :
       {std::pair(Words{"varstore-ls"}, Words{"/kept.vars"}),
        std::pair(Words{"varstore-nvram-certcheck"}, Words{"/kept.vars"}),
        std::pair(Words{"varstore-authfile-certcheck"},
                  Words{"--auth-dir", "/keys", "--config", "/empty"})}) {
    Words inside = {tool.front(), "--chroot", "@"};
    Words outside = tool;
    for (const std::string& word : files) {
      inside.push_back(word);
      outside.push_back(word.starts_with("/") ? "@" + word.substr(1) : word);
    }
    const test::Ended expected = workshop.Run(outside);
    EXPECT_EQ(expected.exit_code, 0) << expected.errors;
    const test::Ended ended = workshop.Run(inside);
    EXPECT_EQ(ended.exit_code, 0) << tool.front() << ": " << ended.errors;
    EXPECT_EQ(ended.output, expected.output) << tool.front();
  }
}

// The next files that are opened would get their numbers.
TEST(EveryTool, WorksWithoutStandardStreams) {
  const Workshop workshop;
  for (const std::string place : {"vm.db", "kept.vars"}) {
    for (const std::string closed : {"<&- >&-", ">&- 2>&-", "<&- >&- 2>&-", "2>&-", ">&-"}) {
      SCOPED_TRACE(place + " " + closed);
      const test::Ended set = test::RunProgram(
          {"/bin/sh", "-c", R"("$0" "$@" )" + closed, TOOLS "/varstore-set", workshop.File(place),
           std::string(kVendorText), "New", "7", workshop.File("data")});
      EXPECT_EQ(set.exit_code, 0) << set.errors;
      const test::Ended got =
          workshop.Run({"varstore-get", "@" + place, std::string(kVendorText), "New"});
      EXPECT_EQ(got.output, "hello") << got.errors;
      const test::Ended removed =
          workshop.Run({"varstore-rm", "@" + place, std::string(kVendorText), "New"});
      EXPECT_EQ(removed.exit_code, 0) << removed.errors;
    }
  }
}

TEST(EveryTool, SaysWhatIsWrongWithAnOption) {
  const Workshop workshop;
  for (const std::string& tool : kTools) {
    for (const auto& [option, reason] : std::vector<std::pair<std::string, std::string>>{
             {"-X", "there is no option '-X'"},
             {"--nonsense", "no option '--nonsense'"},
             {"--uid", "'--uid' needs a value"},
             {"--depriv=1", "this option has no value"}}) {
      const std::string call = tool + " " + option;
      ExpectFailure(workshop.Run(call), call, reason, kMisuse);
    }
  }
}

}  // namespace
}  // namespace varstored::tool
