#!/usr/bin/env python3
"""What is made of a program's page below docs/tools, so that it is written once:

    make_page.py header PAGE                     the text of --help and the list of options, for C++
    make_page.py man PAGE VERSION SECTION        what lowdown makes a man page of
    make_page.py completion PAGE                 completion for bash
    make_page.py findings DOCUMENT               what `varstore help findings` says, for C++, of docs/findings.md

The result goes to standard output. docs/tools/README.md explains the form of a page.
"""
import pathlib
import re
import sys
import textwrap

WIDTH = 80
OPTION = re.compile(r"- ((?:`-[^`]+`(?:, )?)+): (.*)", re.S)
# What `varstore edit` can edit (health::EditableKey).
KEYS = ["KEK", "db", "dbx", "dbt", "dbr"]
COMMAND = re.compile(r"- \[`([a-z0-9-]+)`\]\(([a-z0-9-]+)\.md\): .*", re.S)


class Option:
    """One bullet of the section Options: `-c`, `--clone FILE`: text."""

    def __init__(self, spellings, text):
        self.spellings = spellings
        self.text = text
        self.short = self.long = self.value = ""
        for spelling in spellings:
            word, _, value = spelling.partition(" ")
            self.value = value or self.value
            if word.startswith("--"):
                self.long = word[2:]
            else:
                self.short = word[1:]


class Page:
    """The page of a program, checked for its form."""

    def __init__(self, path):
        self.path = path
        text = re.sub(r"^<!--[^>]*-->\n", "", path.read_text(encoding="utf-8"), flags=re.M)
        parts = re.split(r"^## (.+)\n", text, flags=re.M)
        head = re.fullmatch(r"# (\S+)\n\n(.+)\n\s*", parts[0], re.S)
        if not head or head.group(1) != path.stem:
            self.fail(f"it does not start with '# {path.stem}' and a sentence")
        self.name = head.group(1)
        self.purpose = plain(" ".join(head.group(2).split()))
        self.sections = list(zip(parts[1::2], parts[2::2]))
        bodies = dict(self.sections)
        for needed in ("Synopsis", "Options", "Exit status"):
            if needed not in bodies:
                self.fail(f"there is no section '{needed}'")
        block = re.fullmatch(r"\n```\n(.*)```\n\s*", bodies["Synopsis"], re.S)
        if not block:
            self.fail("the section Synopsis is not one block of code")
        self.synopsis = block.group(1).splitlines()
        # Headings below Options are parts of the help text, too.
        options, *rest = re.split(r"^### (.+)\n", bodies["Options"], flags=re.M)
        self.options = []
        for bullet in bullets(options):
            found = OPTION.fullmatch(bullet)
            if not found:
                self.fail(f"this is no option: {bullet}")
            spellings = re.findall(r"`([^`]+)`", found.group(1))
            self.options.append(Option(spellings, found.group(2)))
        if not self.options:
            self.fail("the section Options has none")
        self.more_help = [*zip(rest[0::2], rest[1::2]), ("Exit status", bodies["Exit status"])]
        # (name, program that does it) of each command, where the program has such.
        self.commands = [COMMAND.fullmatch(one).groups()
                         for one in bullets(dict(self.more_help).get("Commands", "")) if COMMAND.fullmatch(one)]

    def formats(self):
        """Those of the table whose first column is called so: a name in backticks begins a row."""
        table = re.search(r"^\| format \|.*\n\|[- |]*\|\n((?:\|.*\n)*)", "".join(body for _, body in self.sections), re.M)
        return re.findall(r"^\| `([a-z0-9-]+)` \|", table.group(1), re.M) if table else []

    def fail(self, message):
        sys.exit(f"{self.path}: {message}")


def bullets(text):
    """The bullets of a list, each on one line. A paragraph behind them belongs to none."""
    return [" ".join(one.split("\n\n")[0].split())
            for one in re.split(r"^(?=- )", text, flags=re.M) if one.startswith("- ")]


def pointed(text):
    """The words of links, which lead nowhere on a terminal: of one that stands alone in parentheses, as ([how](x.md)), where it
    led is said as well."""
    def alone(match):
        words, target = match.groups()
        file, _, anchor = target.partition("#")
        name = pathlib.PurePosixPath(file).name or f'"{anchor.replace("-", " ").capitalize()}"'
        name = re.sub(r"^((?:varstore|create-auth)[\w-]*)\.md$", r"\1", name)
        return f"({words})" if name in words else f"({words}: see {name})"
    text = re.sub(r"\(\[([^]]+)\]\(([^)]+)\)\)", alone, text)
    return re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text)


def plain(text):
    """Markdown's marks taken away: a terminal shows none of them."""
    text = pointed(text)
    return re.sub(r"`([^`]+)`|\*\*([^*]+)\*\*", lambda m: m.group(1) or m.group(2), text)


def help_text(page):
    lines = [("usage: " if i == 0 else "       ") + line for i, line in enumerate(page.synopsis)]
    lines += ["", *textwrap.wrap(page.purpose, WIDTH), "", "Options:"]
    column = 26
    indent = "    " if any(option.short for option in page.options) else ""
    for option in page.options:
        left = "  " + ("" if option.short else indent) + ", ".join(option.spellings)
        right = textwrap.wrap(plain(option.text), WIDTH - column, break_on_hyphens=False)
        if len(left) < column - 1:
            lines.append(left.ljust(column) + right.pop(0))
        else:
            lines.append(left)
        lines += [" " * column + line for line in right]
    for title, body in page.more_help:
        lines += ["", title + ":"]
        for block in re.split(r"\n(?=- )|\n\n+", body.strip("\n")):
            is_bullet = block.startswith("- ")
            text = plain(" ".join(block[2 if is_bullet else 0:].split()))
            lines += textwrap.wrap(text, WIDTH, initial_indent="  ", break_on_hyphens=False,
                                   subsequent_indent="      " if is_bullet else "  ")
    return "\n".join(lines) + "\n"


def header(page):
    text = help_text(page)
    delimiter = "page"
    assert f"){delimiter}\"" not in text
    rows = "".join(
        f'    Option{{"{option.long}", '
        + (f"'{option.short}'" if option.short else "'\\0'")
        + f", {'true' if option.value else 'false'}}},\n"
        for option in page.options)
    commands = "" if not page.commands else f"""
/// A command, and the program that does it.
struct Command {{
  std::string_view name;
  std::string_view program;
}};

constexpr std::array<Command, {len(page.commands)}> kCommands = {{{{
""" + "".join(f'    Command{{"{name}", "{program}"}},\n' for name, program in page.commands) + "}};\n"
    return f"""#pragma once
// Made of docs/tools/{page.name}.md. The constants are each source file's own: a program may have several pages.

#include <array>
#include <string_view>

namespace varstored::page {{

/// An option of this program. `long_name` and `short_name` are without their dashes; an option
/// without one of them has an empty string or '\\0' there.
struct Option {{
  const char* long_name;
  char short_name;
  bool has_value;
}};

constexpr std::string_view kName = "{page.name}";

/// The whole text of --help.
constexpr std::string_view kHelp = R"{delimiter}({text}){delimiter}";

constexpr std::array<Option, {len(page.options)}> kOptions = {{{{
{rows}}}}};
{commands}
}}  // namespace varstored::page
"""


def man(page, version, section):
    parts = [f"title: {page.name}\nsection: {section}\nsource: varstored {version}\n",
             f"# NAME\n\n{page.name} - {page.purpose}"]
    for title, body in page.sections:
        # A page in the tree points to its neighbours; a man page stands alone.
        body = pointed(body)
        if title == "Options":
            body = re.sub(r"^### ", "## ", body, flags=re.M)
            for option in page.options:
                names = ", ".join(f"**{s}**" for s in option.spellings)
                raw = r"^- " + re.escape(", ".join(f"`{s}`" for s in option.spellings)) + r": "
                body = re.sub(raw, lambda _, names=names: f"\n{names}\n: ", body, flags=re.M)
        else:
            body = re.sub(r"^### ", "## ", body, flags=re.M)
        parts.append(f"# {title.upper()}\n{body}")
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def operand_words(page):
    """What an operand can be besides a file, as words of the shell: from the synopsis."""
    operands = {word for line in page.synopsis for word in line.split()}
    words = [word for one in sorted(operands) if re.fullmatch(r"[a-z]+(\|[a-z]+)+", one) for word in one.split("|")]
    if "KEY" in operands:
        words += KEYS
    return " ".join(words)


# The VMs of a toolstack that answers at once, or those of xl. A name is anybody's, and bash leaves a `$` in a completed word as
# it is: a name with other characters than these is not offered, nor one that would be taken for an option or a number.
VMS = r"""_varstored_vms() {
  local vm uuid state name typed=${1//\\/}
  typed=${typed#[\"\']}
  if command -v xe >/dev/null; then
    timeout 2 xe vm-list is-control-domain=false params=uuid --minimal 2>/dev/null | tr , '\n'
  else
    timeout 2 varstore-ls 2>/dev/null | while read -r uuid state name; do
      case $state in on | off | '?') printf '%s\n' "$uuid" ;; esac
      case $state:$name in
        STATE:* | *:-* | *:*[![:alnum:]._+@\ -]*) ;;
        *:*[!0-9]*) printf '%s\n' "$name" ;;
      esac
    done
  fi | while IFS= read -r vm; do
    [[ $vm != "$typed"* ]] || printf '%s\n' "$vm"
  done
}
"""


def completion(page):
    function = "_" + page.name.replace("-", "_")
    cases = []
    for option in page.options:
        if not option.value:
            continue
        words = "|".join(s.split(" ")[0] for s in option.spellings)
        if option.value == "FORMAT":
            reply = f'compgen -W "{" ".join(page.formats())}" -- "$word"'
        elif re.fullmatch(r"[a-z0-9-]+(\|[a-z0-9-]+)+", option.value):
            reply = f'compgen -W "{option.value.replace("|", " ")}" -- "$word"'
        elif option.value == "FOLDER":
            reply = 'compgen -d -- "$word"'
        elif option.value in ("FILE", "PATH"):
            reply = 'compgen -f -- "$word"'
        else:
            reply = ""
        action = f'mapfile -t COMPREPLY < <({reply})' if reply else ":"
        cases.append(f"    {words}) {action}; return ;;\n")
    cases = f'  case $previous in\n{"".join(cases)}  esac\n' if cases else ""
    words = " ".join(s.split(" ")[0] for option in page.options for s in option.spellings)
    if page.commands:
        return completion_of_commands(page, function, words)
    operands = operand_words(page)
    operands = f'compgen -W "{operands}" -- "$word"; ' if operands else ""
    takes_vm = any("VM" in line.split() for line in page.synopsis)
    operands = ('_varstored_vms "$word"; ' if takes_vm else "") + operands
    return f"""# bash completion for {page.name}, made of docs/tools/{page.name}.md
{VMS if takes_vm else ""}{function}() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}
  COMPREPLY=()
{cases}  case $word in
    -*) mapfile -t COMPREPLY < <(compgen -W "{words}" -- "$word") ;;
    *) mapfile -t COMPREPLY < <({operands}compgen -f -- "$word") ;;
  esac
}}
complete -o filenames -F {function} {page.name}
"""


def completion_of_commands(page, function, options):
    """What follows a command is completed as of its program, whose file stands beside this one."""
    cases = "".join(f"    {name}) program={program} ;;\n" for name, program in page.commands)
    names = " ".join(name for name, _ in page.commands)
    return f"""# bash completion for {page.name}, made of docs/tools/{page.name}.md
{function}() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} program=
  COMPREPLY=()
  local words=
  case $COMP_CWORD:$word in
    1:-*) words="{options}" ;;
    1:*) words="help {names}" ;;
  esac
  case $COMP_CWORD:${{COMP_WORDS[1]}}:${{COMP_WORDS[2]-}} in
    2:help:*) words="findings {names}" ;;
    3:help:findings) words=$({page.name} help findings 2>/dev/null) ;;
  esac
  if [ -n "$words" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    return
  fi
  case ${{COMP_WORDS[1]}} in
{cases}    *) return ;;
  esac
  declare -F "_${{program//-/_}}" >/dev/null || . "${{BASH_SOURCE[0]%/*}}/$program"
  local COMP_WORDS=("$program" "${{COMP_WORDS[@]:2}}") COMP_CWORD=$((COMP_CWORD - 1))
  "_${{program//-/_}}"
}}
complete -o filenames -F {function} {page.name}
"""


def findings(document):
    """Each row of the table: | <a id="name"></a>`name` | severity | what is wrong | what a repair does |, and who has to do what is left"""
    page = document.read_text(encoding="utf-8")
    rows = re.findall(r'^\| <a id="[\w-]+"></a>`([\w-]+)` \| (\w+) \| (.*) \| ([^|]*) \|$', page, re.M)
    others = {name: who for who, names in re.findall(r"^\| (the [\w' ]+) \| (.*) \|$", page, re.M)
              for name in re.findall(r"`([\w-]+)`", names)}
    if not rows:
        sys.exit(f"{document}: there is no table of findings")
    table = ""
    for name, severity, wrong, repair in rows:
        if repair.strip() == "nothing":
            repair = "nothing: the choice is yours. varstore inspect shows the command that helps, where there is one"
        text = "\n".join([f"{name} ({severity})", *(
            line for title, words in (("What is wrong", wrong), ("What varstore repair --fix does", repair),
                                 ("Who has to do what it leaves", others.get(name, "the host's administrator")))
            for line in ["", title + ":", *textwrap.wrap(plain(words) + ".", WIDTH, initial_indent="  ",
                                                         subsequent_indent="  ", break_on_hyphens=False)])])
        table += f'    Finding{{"{name}", R"page({text}\n)page"}},\n'
    return f"""#pragma once
// Made of {document.name}.

#include <array>
#include <string_view>

namespace varstored::page {{

/// A finding, and what a person is told of it.
struct Finding {{
  std::string_view name;
  std::string_view text;
}};

constexpr std::array<Finding, {len(rows)}> kFindings = {{{{
{table}}}}};

}}  // namespace varstored::page
"""


def main():
    match sys.argv[1:]:
        case ["header", path]:
            print(header(Page(pathlib.Path(path))), end="")
        case ["man", path, version, section]:
            print(man(Page(pathlib.Path(path)), version, section), end="")
        case ["completion", path]:
            print(completion(Page(pathlib.Path(path))), end="")
        case ["findings", path]:
            print(findings(pathlib.Path(path)), end="")
        case _:
            sys.exit(__doc__)


main()
