#include "varstored/health/text.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/process.h"

namespace varstored::health {
namespace {

TEST(ForTerminal, LeavesWhatEveryTerminalShows) {
  for (const char* text :
       {"UEFI Shell", "\\EFI\\BOOT\\BOOTX64.EFI", "Žižka Größe", "Ελλάς", "Загрузка"}) {
    EXPECT_EQ(ForTerminal(text), text);
  }
}

TEST(ForTerminal, NamesWhatATerminalWouldObey) {
  EXPECT_EQ(ForTerminal("a\x1b[31mb"), "a\\u{001B}[31mb");
  EXPECT_EQ(ForTerminal("\r\n\t\x07\x7f"), "\\u{000D}\\u{000A}\\u{0009}\\u{0007}\\u{007F}");
  EXPECT_EQ(ForTerminal(std::string("\0", 1)), "\\u{0000}");
  // U+009B begins a control sequence by itself.
  EXPECT_EQ(ForTerminal("\xc2\x9b"), "\\u{009B}");
  EXPECT_EQ(ForTerminal("\x9b"), "\\x{9B}");
}

TEST(ForTerminal, NamesWhatTurnsOrHidesText) {
  EXPECT_EQ(ForTerminal("\u202E"), "\\u{202E}");
  EXPECT_EQ(ForTerminal("\u2066\u061C\u200B\uFEFF\u00AD"),
            "\\u{2066}\\u{061C}\\u{200B}\\u{FEFF}\\u{00AD}");
  EXPECT_EQ(ForTerminal("\u0301\u4E2D\U0001F600"), "\\u{0301}\\u{4E2D}\\u{1F600}");
}

TEST(ForTerminal, ShowsEveryByteThatIsNoUtf8) {
  EXPECT_EQ(ForTerminal("\xc0\x80"), "\\x{C0}\\x{80}");                        // overlong
  EXPECT_EQ(ForTerminal("\xed\xa0\x80"), "\\x{ED}\\x{A0}\\x{80}");             // a surrogate
  EXPECT_EQ(ForTerminal("\xf4\x90\x80\x80"), "\\x{F4}\\x{90}\\x{80}\\x{80}");  // above 10FFFF
  EXPECT_EQ(ForTerminal("\xe4\xb8"), "\\x{E4}\\x{B8}");                        // cut
  EXPECT_EQ(ForTerminal("\xff"), "\\x{FF}");
}

TEST(ForTerminal, GivesNoControlCharacterForAnyPairOfBytes) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second)};
      for (const char c : ForTerminal(text)) {
        EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
      }
      // What it gives is plain already.
      EXPECT_EQ(ForTerminal(ForTerminal(text)), ForTerminal(text));
    }
  }
}

TEST(ColumnsOf, CountsCharacters) {
  EXPECT_EQ(ColumnsOf(""), 0U);
  EXPECT_EQ(ColumnsOf("abc"), 3U);
  EXPECT_EQ(ColumnsOf("Größe"), 5U);
}

TEST(Cut, KeepsWhatFits) {
  EXPECT_EQ(Cut("abcdef", 6), "abcdef");
  EXPECT_EQ(Cut("abcdefg", 6), "abc...");
  EXPECT_EQ(Cut("Größe", 5), "Größe");
  EXPECT_EQ(Cut("Größen", 5), "Gr...");
  EXPECT_EQ(Cut("öööööö", 5), "öö...");
  EXPECT_EQ(Cut("abcd", 3), "...");
  EXPECT_EQ(Cut("", 3), "");
}

TEST(JsonString, IsAsciiAndEscaped) {
  EXPECT_EQ(JsonString("a\"b\\c/"), "\"a\\\"b\\\\c/\"");
  EXPECT_EQ(JsonString("\x1b\n\x7f"), "\"\\u001b\\u000a\\u007f\"");
  EXPECT_EQ(JsonString("é\u202E"), "\"\\u00e9\\u202e\"");
  EXPECT_EQ(JsonString("\U0001F600"), "\"\\ud83d\\ude00\"");
  EXPECT_EQ(JsonString("\xff"), "\"\\ufffd\"");
}

TEST(ForXml, EscapesItsCharacters) {
  EXPECT_EQ(ForXml("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&apos;&amp;");
  EXPECT_EQ(ForXml(std::string("\0\x08", 2)), "\\u{0000}\\u{0008}");
}

TEST(ShellWord, IsOneWord) {
  EXPECT_EQ(ShellWord("/var/lib/vm-1.db"), "/var/lib/vm-1.db");
  EXPECT_EQ(ShellWord(""), "''");
  EXPECT_EQ(ShellWord("-rf"), "'-rf'");
  EXPECT_EQ(ShellWord("a b"), "'a b'");
  EXPECT_EQ(ShellWord("a'; rm -rf /"), "'a'\\''; rm -rf /'");
  EXPECT_EQ(ShellWord("a\n'\\\x1b"), "$'a\\x0a\\x27\\\\\\x1b'");
}

/// What a shell takes `command` for: its words, each between brackets.
std::string WordsIn(const std::string& shell, const std::string& command) {
  const auto ended = test::RunProgram({"/bin/" + shell, "-c", "printf '[%s]' " + command});
  EXPECT_EQ(ended.exit_code, 0) << command << ": " << ended.errors;
  EXPECT_EQ(ended.errors, "") << command;
  return ended.output;
}

TEST(ShellCommand, IsNoOtherCommandInAnyShell) {
  // A guest chooses the names of its variables, and so does who sends a file.
  const std::vector<std::string> hostile = {
      "-rf",        "--socket=/tmp/x", "a; touch x", "$(id)",      "`id`",        "a'; id; '",
      "!!",         "~root",           "*",          "a\n'; id #", "a\n'; id; '", "\x1b';id;'",
      "\\'; id; '", "a\\\n';id",       "#",          "a=b",        "|&<>(){}[]\""};
  for (const std::string& name : hostile) {
    const std::string command = ShellCommand("rm", {"guid", name});
    EXPECT_EQ(WordsIn("bash", command),
              name.starts_with('-') ? "[rm][--][guid][" + name + "]" : "[rm][guid][" + name + "]");
    // Without $'...' it is another word, but still one.
    const std::string words = WordsIn("sh", command);
    EXPECT_EQ(std::count(words.begin(), words.end(), '['),
              std::count(name.begin(), name.end(), '[') + (name.starts_with('-') ? 4 : 3))
        << command << " is " << words;
  }
}

TEST(ShellCommand, HasAnEndOfOptionsOnlyWhereItIsNeeded) {
  EXPECT_EQ(ShellCommand("varstore-repair --fix", {"a.db"}), "varstore-repair --fix a.db");
  EXPECT_EQ(ShellCommand("varstore-repair --fix", {"-a.db"}), "varstore-repair --fix -- '-a.db'");
}

}  // namespace
}  // namespace varstored::health
