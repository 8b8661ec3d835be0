#!/usr/bin/env python3
"""The style and the script of a page as a header for C++: usage: make_parts.py STYLE SCRIPT

They stand in the page between <style> and </style>, and between <script> and </script>. Its policy lets a browser use these and
no others, by the digest of each (Content Security Policy Level 3, 2.3.1). The header goes to standard output.
"""
import base64
import hashlib
import pathlib
import sys


def digest(text):
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


style, script = (pathlib.Path(path).read_text(encoding="ascii") for path in sys.argv[1:])
for text in (style, script):
    if "</" in text or ')part"' in text:
        sys.exit(f"{' '.join(sys.argv[1:])}: '</' would end it in a page")
print(f"""#pragma once
// Made of {' and '.join(pathlib.Path(path).name for path in sys.argv[1:])}.

#include <string_view>

namespace varstored::page {{

constexpr std::string_view kStyle = R"part({style})part";

constexpr std::string_view kScript = R"part({script})part";

constexpr std::string_view kPolicy =
    "default-src 'none'; script-src '{digest(script)}'; style-src '{digest(style)}'; base-uri 'none'; form-action 'none'";

}}  // namespace varstored::page""")
