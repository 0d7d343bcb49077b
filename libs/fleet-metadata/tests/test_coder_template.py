"""The blocks for a Coder template: as Terraform reads them, and their scripts as an agent runs them."""

import json
import os
import re
import shutil
import subprocess
import textwrap
import unicodedata
from base64 import b64decode
from pathlib import Path

import psutil
import pytest
from command_line import run, shown
from hypothesis import given, settings
from hypothesis import strategies as st
from running_metadata import RunningMetadata
from shown_collectors import LONG_NAME, TOO_LONG_NAME, tell
from small_server import Asked, Told, small_server

from fleet_metadata import Key, ValueType
from fleet_metadata.collection.untold import NoSuchKey
from fleet_metadata.commands.coder_template import chosen, hcl_string, template

TOKEN = "correct$horse`battery`\"staple'\\n"
KEPT_BYTES = 2048
URL = "http://127.0.0.1:8001"

BRANCH = Key("git_branch", ValueType.STRING, "Branch", in_list=True)
AHEAD = Key("git_ahead", ValueType.NUMBER, "Ahead")
ODD = Key("odd_${x}%{y}\"\\' é/?#&", ValueType.STRING, "Odd")
KEYS = [BRANCH, AHEAD, ODD, Key(LONG_NAME, ValueType.STRING, "Long")]

needs_terraform = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")


def terraform(folder: Path, *arguments: str, told: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["terraform", *arguments],
        cwd=folder,
        input=told,
        # Nobody's settings, and no look for news.
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def read_by_terraform(folder: Path, *strings: str) -> list[str]:
    """What Terraform takes those strings of its language for."""
    # In base64, as the console would write what it read in its own language again.
    done = terraform(folder, "console", told=f"base64encode(jsonencode([{', '.join(strings)}]))\n")
    assert done.returncode == 0, done.stderr
    return json.loads(b64decode(done.stdout))


def blocks_of(text: str) -> list[dict[str, str]]:
    """What each block has, in Terraform's language."""
    blocks = text.split("metadata {\n")[1:]
    return [dict(re.findall(r"^ *(\w+) *= (.*)$", block, re.MULTILINE)) for block in blocks]


def scripts_of(text: str) -> list[str]:
    """The scripts as they are run; a string of Terraform's is one of JSON but for the begin of a template."""
    return [
        json.loads(block["script"].replace("$${", "${").replace("%%{", "%{")) for block in blocks_of(text)
    ]


def run_script(script: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """As an agent does: both outputs are the value."""
    return subprocess.run(
        ["bash", "-c", script],
        env={"PATH": os.environ["PATH"]} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )


def test_a_block_says_what_coder_wants_to_know() -> None:
    [first, second] = blocks_of(template([BRANCH, AHEAD], URL))
    assert {name: value for name, value in first.items() if name != "script"} == {
        "display_name": '"Git branch"',
        "key": '"git_branch"',
        "interval": "10",
        "timeout": "5",
        "order": "1",
    }
    assert (second["key"], second["order"]) == ('"git_ahead"', "2")


@pytest.mark.parametrize(
    ("name", "shown_as"),
    [
        ("git_branch", "Git branch"),
        ("github_pr_number", "GitHub PR number"),
        ("gitlab_mr_url", "GitLab MR URL"),
        ("workspace_cpu_percent", "Workspace CPU percent"),
        ("ci_job_id", "CI job ID"),
        ("x", "X"),
        ("__", "__"),
    ],
)
def test_a_key_has_a_name_for_people(name: str, shown_as: str) -> None:
    [block] = blocks_of(template([Key(name, ValueType.STRING, "")], URL))
    assert block["display_name"] == json.dumps(shown_as)


def test_keys_are_chosen() -> None:
    assert chosen(KEYS, None) == [BRANCH]
    assert chosen(KEYS, None, everything=True) == KEYS
    assert chosen(KEYS, " git_ahead,git_branch,git_ahead") == [AHEAD, BRANCH]
    for names in ("git_branch,nothing", "", "git_branch,"):
        with pytest.raises(NoSuchKey, match=r"There is no key .*There are: git_branch, git_ahead"):
            chosen(KEYS, names)


def test_a_name_that_is_too_long_for_coder_is_left_out_and_told() -> None:
    keys = [Key(name, ValueType.STRING, "") for name in (LONG_NAME, TOO_LONG_NAME)]
    text = template(keys, URL)
    assert (len(LONG_NAME), len(blocks_of(text))) == (127, 1)
    assert f"# Too long a name for Coder: {TOO_LONG_NAME}\n" in text


@needs_terraform
@pytest.mark.parametrize("with_token", [False, True])
@pytest.mark.parametrize("keys", [KEYS, [BRANCH], []])
def test_terraform_finds_nothing_to_format(tmp_path: Path, keys: list[Key], with_token: bool) -> None:
    text = template(keys, URL, with_token=with_token)
    pasted = f"""\
resource "coder_agent" "main" {{
  os   = "linux"
  arch = "amd64"

{textwrap.indent(text, "  ")}}}
"""
    for written in (text, pasted):
        done = terraform(tmp_path, "fmt", "-check", "-diff", "-", told=written)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr


@needs_terraform
def test_terraform_would_find_what_is_not_formatted(tmp_path: Path) -> None:
    text = template([BRANCH], URL).replace("key          =", "key =")
    assert terraform(tmp_path, "fmt", "-check", "-", told=text).returncode != 0


@needs_terraform
def test_terraform_reads_what_was_meant(tmp_path: Path) -> None:
    for with_token in (False, True):
        text = template(KEYS, URL, with_token=with_token)
        blocks = blocks_of(text)
        assert read_by_terraform(tmp_path, *(block["key"] for block in blocks)) == [
            unicodedata.normalize("NFC", key.name) for key in KEYS
        ]
        assert read_by_terraform(tmp_path, *(block["script"] for block in blocks)) == scripts_of(text)


@needs_terraform
@settings(max_examples=5)
@given(st.lists(st.text() | st.text("$%{}\\\"'\n~"), min_size=20, max_size=200))
def test_terraform_reads_any_text_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("console")
    # It takes texts for the same that look the same.
    whole = [unicodedata.normalize("NFC", text) for text in texts]
    assert read_by_terraform(folder, *map(hcl_string, texts)) == whole


def answer(asked: Asked) -> Told:
    """As the server does; with a token, where it is the right one."""
    if asked.headers.get("Authorization", f"Bearer {TOKEN}") != f"Bearer {TOKEN}":
        return Told(b'{"detail": "no"}', 401)
    texts = {
        "/metadata/git_branch?format=text": b"main",
        "/metadata/git_ahead?format=text": b"",
        "/metadata/odd_%24%7Bx%7D%25%7By%7D%22%5C%27%20%C3%A9%2F%3F%23%26?format=text": "zażółć".encode(),
        f"/metadata/{LONG_NAME}?format=text": ("é" * (KEPT_BYTES // 2)).encode(),
    }
    text = texts.get(asked.path)
    return Told(b"", 404) if text is None else Told(text)


@pytest.mark.parametrize("with_token", [False, True])
def test_the_scripts_print_what_an_agent_keeps(with_token: bool) -> None:
    with small_server(answer) as server:
        scripts = scripts_of(template(KEYS, server.url, with_token=with_token))
        done = [
            run_script(script, FLEET_METADATA_TOKEN=TOKEN, http_proxy="http://127.0.0.1:1")
            for script in scripts
        ]
    assert [(one.returncode, one.stdout.decode()) for one in done] == [
        (0, "main"),
        (0, ""),
        (0, "zażółć"),
        (0, "é" * (KEPT_BYTES // 2)),
    ]
    for asked in server.asked:
        assert ("Authorization" in asked.headers) is with_token


def test_a_script_that_gets_no_value_fails_and_tells_why() -> None:
    with small_server(answer) as server:
        [unknown] = scripts_of(template([Key("nothing", ValueType.STRING, "")], server.url))
        [refused] = scripts_of(template([BRANCH], server.url, with_token=True))
        done = [run_script(unknown), run_script(refused, FLEET_METADATA_TOKEN="another"), run_script(refused)]
    done.append(run_script(unknown))
    codes = [(one.returncode, set(re.findall(rb"\b40\d\b|connect", one.stdout))) for one in done]
    assert codes == [(22, {b"404"}), (22, {b"401"}), (22, {b"401"}), (7, {b"connect"})]


def test_an_address_is_an_argument_and_no_command(tmp_path: Path) -> None:
    with small_server(answer) as server:
        address = f"{server.url}/it's;touch$IFS{tmp_path}/done"
        [script] = scripts_of(template([BRANCH], address))
        run_script(script)
    assert [asked.path.partition("/metadata")[0] for asked in server.asked] == [
        f"/it's;touch$IFS{tmp_path}/done"
    ]
    assert not (tmp_path / "done").exists()


def test_the_token_is_in_no_argument_of_a_process() -> None:
    """Which everybody on the machine could read."""
    seen: list[str] = []

    def look(asked: Asked) -> Told:
        for process in psutil.process_iter(["name", "cmdline"]):
            if process.info["name"] == "curl":
                seen.extend(process.info["cmdline"])
        return answer(asked)

    with small_server(look) as server:
        [script] = scripts_of(template([BRANCH], server.url, with_token=True))
        assert run_script(script, FLEET_METADATA_TOKEN=TOKEN).stdout == b"main"
    assert "--fail" in seen
    assert TOKEN not in " ".join(seen)


@needs_terraform
def test_the_command_prints_the_blocks_of_all_that_is_installed(tmp_path: Path) -> None:
    told = shown(tmp_path) | {"METADATA_DISABLED_COLLECTORS": "gitlab"}
    listed, everything, some, unknown, both = (
        run("coder-template", *options, **told)
        for options in (
            (),
            ("--all", "--token", "--url", "http://10.0.0.7:80/below/"),
            ("--keys", "shown_text,git_branch"),
            ("--keys", "nothing"),
            ("--keys", "git_branch", "--all"),
        )
    )
    names = [block["key"].strip('"') for block in blocks_of(listed.stdout)]
    assert {"git_branch", "github_pr_number", "shown_text"} <= set(names)
    assert "shown_list" not in names
    assert not any(name.startswith("gitlab_") for name in names)
    all_names = [block["key"].strip('"') for block in blocks_of(everything.stdout)]
    assert {*names, "shown_list", LONG_NAME} <= set(all_names)
    assert "'http://10.0.0.7:80/below/metadata/git_branch?format=text'" in everything.stdout
    assert [block["key"] for block in blocks_of(some.stdout)] == ['"shown_text"', '"git_branch"']
    for done in (listed, everything, some):
        assert (done.returncode, done.stderr) == (0, "")
        assert terraform(tmp_path, "fmt", "-check", "-", told=done.stdout).returncode == 0
    assert (unknown.returncode, unknown.stdout, both.returncode, both.stdout) == (3, "", 2, "")


def test_the_scripts_ask_a_real_server(tmp_path: Path) -> None:
    tell(tmp_path, shown_text="é" * 2000, shown_number=3)
    told = shown(tmp_path) | {"FLEET_METADATA_TOKEN": "correct-horse"}
    with RunningMetadata(tmp_path, tmp_path / "log", **told) as server:
        made = run(
            "coder-template",
            "--keys",
            "shown_text,shown_number,shown_nothing",
            "--token",
            "--url",
            server.url,
            **told,
        )
        done = [
            run_script(script, FLEET_METADATA_TOKEN="correct-horse") for script in scripts_of(made.stdout)
        ]
    assert [one.stdout.decode() for one in done] == ["é" * (KEPT_BYTES // 2), "3", ""]
