"""What secrets look like in a text.

The shapes of tokens are from the services' own pages, and from what scanners for leaked secrets look for.
"""

import re

# What a token begins with, which stays, and what comes after it.
_TOKENS = {
    # Fleet's own keys: the id names the key in a log.
    r"fleet_[a-z0-9]{12}_": r"[A-Za-z0-9]{16,}",
    # That of an installation may be a JWT.
    r"gh[pousr]_": r"(?:\d+_)?[A-Za-z0-9]{20,}(?:\.[\w-]+)*",
    r"github_pat_": r"\w{20,}",
    r"gl(?:pat|ptt|cbt)-": r"[\w-]{20,}(?:\.[\w-]+)*",
    r"gl[dr]t-": r"[\w-]{20,}(?:\.[\w-]+)*",
    r"glsoat-": r"[\w-]{20,}(?:\.[\w-]+)*",
    r"xox[a-z]-": r"[A-Za-z0-9-]{10,}",
    r"npm_": r"[A-Za-z0-9]{36}",
    # All of them are macaroons of version 2.
    r"pypi-": r"Ag[\w-]{16,}",
}
# As above, but words may end like these: "task_test_", "risk-". A digit tells a key from a name.
_TOKENS_ON_THEIR_OWN = {
    r"hf_": r"[A-Za-z0-9]{30,}",
    r"[rs]k_(?:live|test)_": r"(?=[A-Za-z]*\d)[A-Za-z0-9]{16,}",
    r"sk-": r"(?:ant-[a-z]{3,8}\d\d-[\w-]{20,}|(?:proj|svcacct|admin|or-v1)-(?=[\w-]{0,200}\d)[\w-]{32,}"
    r"|(?=[A-Za-z]*\d)[A-Za-z0-9]{20,})",
}
_PRIVATE_KEY = r" [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
_NAMES = ("password", "passwd", "secret", "token", "api[-_]key", "apikey", "access[-_]key", "private[-_]key")
_NAMED = f"=(?i:{'|'.join(f'(?<={name}=)' for name in _NAMES)})"


def _on_its_own(start: str) -> str:
    # An end of line, or what else stands before, may be escaped.
    return rf"(?:(?<![A-Za-z0-9]{start})|(?<=\\[nrt]{start})|(?<=%[0-9A-Fa-f]{{2}}{start}))"


def _any_token() -> str:
    shapes = [f"(?<={start}){rest}" for start, rest in _TOKENS.items()]
    shapes += [f"(?<={start}){_on_its_own(start)}{rest}" for start, rest in _TOKENS_ON_THEIR_OWN.items()]
    return f"([_-])(?:{'|'.join(shapes)})"


SECRETS = [
    # One that is cut off has no end.
    (re.compile(rf"(?s)-----BEGIN{_PRIVATE_KEY}.*?(?:-----END{_PRIVATE_KEY}|\Z)"), "***"),
    # Credentials in a URL, and in one that is escaped within another. The user of ssh is no secret.
    (re.compile(r'(?i)(://)(?!(?<=ssh://)[^\s/:@"]*@)[^\s/"]+@'), r"\1***@"),
    (re.compile(r'(?i)(%3A%2F%2F)(?:[^\s&"%]|%(?!2F|3F|23|40))+%40'), r"\1***%40"),
    # JSON Web Tokens. Only the first start in a word is tried: there may be as many as there are letters.
    (re.compile(r"(?<![\w-])((?>[\w-]*?eyJ))[\w-]{5,}+\.eyJ[\w-]{5,}(?:\.[\w-]*)?"), r"\1***"),
    (re.compile(_any_token()), r"\1***"),
    # Access keys of AWS; API keys of Google.
    (re.compile(r"(?:(?<![A-Z0-9])|(?<=%[0-9A-F]{2}))(AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"), r"\1***"),
    (re.compile(r"(AIza)[\w-]{35}"), r"\1***"),
    # A session of Coder's is like many a name with a hyphen, and so has to be told as a token.
    (re.compile(r"((?i:token)\W{1,5}[A-Za-z0-9]{10}-)[A-Za-z0-9]{22}(?![A-Za-z0-9])"), r"\1***"),
    # Where no header is told, it may be two words: basic authentication.
    (re.compile(r"(?i)(authorization\W{1,5}(?:bearer|basic)\s+)[\w.~+/=-]{8,}"), r"\1***"),
    (
        re.compile(r"((?i:bearer|basic)\s+)(?![A-Z]?[a-z]+(?:[-/][a-z]+)*\.?(?![\w.~+/=-]))[\w.~+/=-]{8,}"),
        r"\1***",
    ),
    # name=value as in query strings and connection strings.
    (re.compile(rf"""{_NAMED}(?:"[^"\n]*"|'[^'\n]*'|["']?[^\s&;'"]+)"""), "=***"),
]
"""Patterns, and what is to stand in place of what they find."""

# All begin with a letter that is one, and few texts have many of these: so the look is quick.
_SIGNS = [
    _NAMED,
    r":(?=//[^\s/\"]+@)",
    r"%(?=3[Aa]%2[Ff])",
    r"-(?=----BEGIN)",
    r"J(?<=eyJ)",
    r"KIA(?<=AKIA)",
    r"SIA(?<=ASIA)",
    r"z(?<=AIz)a",
    r"b(?i:earer|asic)",
    r"B(?i:earer|asic)",
    r"-(?<=[A-Za-z0-9]{10}-)(?=[A-Za-z0-9]{22})",
]
_STARTS = [f"{start[-1]}(?<={start})" for start in (*_TOKENS, *_TOKENS_ON_THEIR_OWN)]
SUSPICIOUS = re.compile("|".join(_SIGNS + _STARTS))
"""Something of every pattern, to pass by in one look what has no secret."""
