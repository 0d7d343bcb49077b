"""The `metadata` blocks of a Coder template, by which each agent asks the server of its workspace."""

import re
import shlex
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from fleet_metadata.collection.untold import NoSuchKey
from fleet_metadata.key import Key

INTERVAL_SECONDS = 10
# A server has three seconds for an answer; curl gives up after that, and Coder after curl.
CURL_SECONDS = 4
TIMEOUT_SECONDS = 5
NAME_CHARACTERS = 127
"""How long Coder lets keys and display names be."""

_HEAD = """\
# What the workspace is doing, by the keys of `fleet-metadata`.
# Paste this into the resource "coder_agent" of the template. The server must run in the workspace,
# started by `fleet-metadata serve &` in the startup_script of the agent, say.
"""
_ON_AUTHORIZATION = """\
# The scripts send the token of the variable FLEET_METADATA_TOKEN, which the agent and the server must have.
"""
_SPELLINGS = {
    word.lower(): word
    for word in ("CI", "CPU", "GitHub", "GitLab", "ID", "MCP", "MR", "PR", "ToolHive", "URL")
}
_ESCAPES = {'"': r"\"", "\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"}


def chosen(offered: Iterable[Key], names: str | None, *, everything: bool = False) -> Sequence[Key]:
    """Of the keys offered those that are named, with commas between, in that order; or all; or those for lists.

    Raises NoSuchKey.
    """
    if names is None:
        return [key for key in offered if key.in_list or everything]
    known = {key.name: key for key in offered}
    # Each once: Coder takes no key twice.
    wanted = dict.fromkeys(name.strip() for name in names.split(","))
    for name in wanted:
        if name not in known:
            raise NoSuchKey(f"There is no key {name}. There are: {', '.join(known)}.")
    return [known[name] for name in wanted]


def template(keys: Sequence[Key], url: str, *, with_token: bool = False) -> str:
    """A block for each of `keys`, formatted as `terraform fmt` has it; `url` is the server's.

    A key with a name that is too long for Coder is left out, and named in a comment.
    """
    short = [key for key in keys if len(key.name) <= NAME_CHARACTERS]
    left_out = [f"# Too long a name for Coder: {key.name}\n" for key in keys if key not in short]
    head = _HEAD + (_ON_AUTHORIZATION if with_token else "") + "".join(left_out)
    blocks = [_block(key, _script(key, url, with_token), order) for order, key in enumerate(short, start=1)]
    return head + "".join(f"\n{block}" for block in blocks)


def _block(key: Key, script: str, order: int) -> str:
    return f"""\
metadata {{
  display_name = {hcl_string(_display_name(key.name))}
  key          = {hcl_string(key.name)}
  script       = {hcl_string(script)}
  interval     = {INTERVAL_SECONDS}
  timeout      = {TIMEOUT_SECONDS}
  order        = {order}
}}
"""


def _script(key: Key, url: str, with_token: bool) -> str:
    address = shlex.quote(f"{url}/metadata/{quote(key.name, safe='')}?format=text")
    # Not by way of a proxy, which would look for the workspace's own address on its side.
    curl = f"curl --fail --silent --show-error --noproxy '*' --max-time {CURL_SECONDS} {address}"
    if not with_token:
        return curl
    # By way of standard input: arguments of a process can be read by everybody on the machine.
    return f"""printf 'Authorization: Bearer %s\\n' "$FLEET_METADATA_TOKEN" | {curl} --header @-"""


def _display_name(name: str) -> str:
    words = [_SPELLINGS.get(word, word) for word in name.split("_") if word]
    text = " ".join(words) or name
    return text[:1].upper() + text[1:]


def hcl_string(text: str) -> str:
    """`text` as a string of Terraform's language, which would read `${` and `%{` as the begin of a template."""
    escaped = "".join(_ESCAPES.get(character) or _printable(character) for character in text)
    return '"' + re.sub(r"([$%])\{", r"\1\1{", escaped) + '"'


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  # as HCL has it
