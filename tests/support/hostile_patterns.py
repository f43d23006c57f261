"""Patterns and keys that keep careless matchers busy for hours, and patterns that must be refused.

As a program it matches every pattern against every key, so that a test can end it from outside.
"""

from __future__ import annotations

from videovector_operator.core.file_filter import MAX_PATTERN_LENGTH, FileFilter

REFUSED = {
    "an empty pattern": ("", "is empty"),
    "a pattern over the length limit": ("a" * (MAX_PATTERN_LENGTH + 1), "1025 characters"),
    "ten thousand stars": ("*" * 10_000, "10000 characters"),
    "a NUL": ("a\0b", "NUL"),
    "NUL alone": ("\0", "NUL"),
    "thirty braces of two": ("{a,b}" * 30, "more than 100 alternatives"),
    "a hundred empty choices": ("{,}" * 100, "more than 100 alternatives"),
    "a billion numbers": ("{1..1000000000}", "more than 100 alternatives"),
    "a million numbers": ("*{1..1000000}", "more than 100 alternatives"),
    "ranges multiplied": ("{1..90}{1..90}", "more than 100 alternatives"),
    "three hundred alternatives": ("{" + "," * 300 + "}", "more than 100 alternatives"),
    "a nest of five hundred braces": ("{" * 500, "more than 100 opening braces"),
    "two hundred open lists": ("{a," * 200, "more than 100 opening braces"),
    "a hundred directories": ("a/" * 100 + "b", "101 segments"),
    "five hundred slashes": ("/" * 500, "501 segments"),
}
BOMBS = {
    "stars between equal letters": "*a*a*a*a*a*a*a*a*b",
    "stars between wildcards": "*?*?*?*?*?*?*?*?*?*?*?*?b",
    "a hundred stars": "*" * 100 + "b",
    "stars in every segment": "/".join(["*a*a*b"] * 20),
    "many two stars": "**/a/**/a/**/a/**/a/**/b",
    "two stars side by side": "/".join(["**"] * 60) + "/x",
    "two stars and stars": "**/*a*/**/*a*/**/*a*/**/*a*/**/b",
    "sixty directories and a hundred names": "**" + "/*" * 60 + "/{1..100}",
    "a hundred beginnings": "{1..100}/**" + "/a/**" * 29,
    "a long suffix": "*" + "?a" * 400 + "{1..100}",
    "a long middle": "*" + "a" * 900 + "b*",
    "classes": "*" + "[ab][!cd]" * 50 + "*{1..100}",
    "classes that are not closed": "[[:" * 100,
    "a POSIX class that is not closed": "[[:alpha:" * 50,
    "a class of everything": "[!" + "".join(map(chr, range(0x4E00, 0x4E00 + 800))) + "]*" + "b",
    "braces that are not closed": "{a,{b,{c," * 30,
    "a hundred braces within each other": "{a," * 99 + "}" * 99,
    "braces around nothing": "{" * 99 + "}" * 99,
    "a range with a long number": "{" + "0" * 400 + "1..99}",
    "a range to the end of all numbers": "{1..99999999999999999999999999999999}",
    "a range with no step": "{1..5..0}",
    "a range backwards in great steps": "{-1..-2..-100000}",
    "a range of letters": "{a..zzzzzzzzz}",
    "backslashes": "\\" * 1000,
    "an escaped end": "a\\",
    "escaped commas": "{a" + "\\,@" * 100 + "}",
    "extended globs": "+(+(+(+(a))))*(*(*(a)))b",
    "an expression": "(a+)+$",
    "another expression": "(?:(?:a|a?)+)+b",
    "a reference": "(.*)\\1\\1\\1b",
    "line feeds": "*\n*\n*\n*b",
    "letters with accents": "*" + "e\u0301" * 100 + "*b",
}
KEYS = (
    "a" * 1024,
    "a" * 1023 + "b",
    "a/" * 511 + "c",
    "a/" * 511 + "b",
    "ab" * 512,
    "aab/" * 255 + "b",
    "/" * 1024,
    "\n" * 1024,
    "e\u0301" * 340,
    "[[:" * 300,
    "".join(f"{chr(0x3400 + number)}/" for number in range(500)),
)

if __name__ == "__main__":
    count = 0
    for bomb in BOMBS.values():
        compiled = FileFilter(bomb)
        for key in KEYS:
            compiled.matches(key)
            count += 1
    print(f"{count} matches")
