"""The Coder template: as Terraform, Kubernetes and the agent of a workspace take it."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import github_answers
import httpx
import pytest
import yaml
from git_repositories import MadeRepository, isolate
from running_metadata import COMMAND, RunningMetadata, environment
from running_service import until
from small_server import Asked, Told, small_server
from workspace_template import DOCS, ID, MAIN, Manifest, manifest, manifests_in, resource

from fleet_metadata.settings import Settings

kubernetes: Any = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")

URL = "http://127.0.0.1:8001"
PAGE = (DOCS / "coder.md").read_text()
TOKEN = "correct-horse"
# As the provider coder/coder 2 has them: provider/agent.go and provider/app.go of its repository. `!` is required.
SCHEMA = {
    "coder_agent": "arch! os! api_key_scope auth connection_timeout dir display_apps env metadata motd_file order "
    "resources_monitoring shutdown_script startup_script startup_script_behavior troubleshooting_url",
    "coder_agent.metadata": "key! script! interval! display_name order timeout",
    "coder_app": "agent_id! slug! command display_name external group healthcheck hidden icon open_in order share "
    "subdomain tooltip url",
    "coder_app.healthcheck": "url! interval! threshold!",
}


def _blocks(path: str) -> list[Mapping[str, Any]]:
    kind, _, inner = path.partition(".")
    return resource(kind)[inner] if inner else [resource(kind)]


@pytest.mark.parametrize("path", SCHEMA)
def test_the_template_has_what_the_provider_takes(path: str) -> None:
    known = SCHEMA[path].split()
    required = {name.rstrip("!") for name in known if name.endswith("!")}
    for block in _blocks(path):
        assert required <= block.keys() <= {name.rstrip("!") for name in known}


def test_the_template_has_the_blocks_that_the_command_prints() -> None:
    [keys] = re.findall(r"# Printed by: fleet-metadata coder-template --keys\n +# (\S+)\n", MAIN.read_text())
    printed = subprocess.check_output(
        [*COMMAND, "coder-template", "--keys", keys], env=environment({}), text=True, timeout=60
    )
    indented = "".join(f"  {line}" if line.strip() else line for line in printed.splitlines(keepends=True))
    assert indented[indented.index("  metadata {") :] in MAIN.read_text()


@pytest.mark.skipif(
    shutil.which("terraform") is None, reason="there is no terraform here, which no package brings"
)
def test_terraform_finds_nothing_to_format() -> None:
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-diff", "-"],
        input=MAIN.read_text(),
        env={"CHECKPOINT_DISABLE": "1", "PATH": str(Path(shutil.which("terraform") or "").parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.fixture(scope="module")
def pod() -> Manifest:
    [pod] = manifests_in("sidecar.yaml")
    return pod


def _named(several: list[Manifest], name: str) -> Manifest:
    return next(each for each in several if each["name"] == name)


def _sidecar(pod: Manifest) -> Manifest:
    return _named(pod["spec"]["containers"], "fleet-metadata")


def test_the_template_makes_the_pod_of_the_manifest(pod: Manifest) -> None:
    made = manifest("Deployment", "apps/v1")["spec"]["template"]
    assert _named(made["spec"]["containers"], "workspace").pop("env") == [
        {"name": "CODER_AGENT_TOKEN", "value": "token"}
    ]
    assert made["metadata"]["labels"] == pod["metadata"]["labels"]
    assert made["spec"] == pod["spec"]


def _patched(pod: Manifest) -> Manifest:
    """The pod with what the page adds to it, so that agents reach it."""
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    patch = yaml.safe_load(block)["spec"]
    containers = [
        {**each, "env": _with(each.get("env", []), _named(patch["containers"], each["name"])["env"])}
        for each in pod["spec"]["containers"]
    ]
    return {**pod, "spec": {**pod["spec"], **patch, "containers": containers}}


def _with(env: list[Manifest], added: list[Manifest]) -> list[Manifest]:
    return list({each["name"]: each for each in [*env, *added]}.values())


@pytest.mark.parametrize("version", ["1.30", kubernetes.latest_version()])
def test_kubernetes_takes_all_of_it(pod: Manifest, version: str) -> None:
    claim = manifest("PersistentVolumeClaim", "v1")
    deployment = manifest("Deployment", "apps/v1")
    for each in (pod, _patched(pod), deployment, claim, *manifests_in("reached-by-agents.yaml")):
        kubernetes.validate(each, version, strict=True)


def test_the_pod_is_one_that_a_restricted_namespace_takes(pod: Manifest) -> None:
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*spec["initContainers"], *spec["containers"]):
        context = container["securityContext"]
        assert (context["allowPrivilegeEscalation"], context["capabilities"]) == (False, {"drop": ["ALL"]})
    assert _sidecar(pod)["securityContext"]["readOnlyRootFilesystem"]


def test_the_agents_of_the_page_reach_the_pod_and_are_let_in(pod: Manifest) -> None:
    service, policy = manifests_in("reached-by-agents.yaml")
    spec, metadata = _patched(pod)["spec"], pod["metadata"]
    assert (spec["subdomain"], service["spec"]["clusterIP"]) == (service["metadata"]["name"], "None")
    selected = {"app.kubernetes.io/name": metadata["labels"]["app.kubernetes.io/name"]}
    assert service["spec"]["selector"] == policy["spec"]["podSelector"]["matchLabels"] == selected
    assert {each["metadata"]["namespace"] for each in (service, policy)} == {metadata["namespace"]}
    host = f"coder-{ID}.{spec['subdomain']}.{metadata['namespace']}.svc"
    port = Settings.model_fields["metadata_port"].default
    assert f'"http://{host}:{port}"' in PAGE
    assert spec["hostname"] == f"coder-{ID}"
    [ports] = [rule["ports"] for rule in policy["spec"]["ingress"]]
    assert ports == [{"port": port}]


def _pull_requests(asked: Asked) -> Told:
    """As GitHub has them of me/shop: one, from `main`, whose checks are done."""
    head = github_answers.branch_of("me/shop", "main")
    answers = {
        "pulls": [github_answers.pull(810, base="me/shop", head=head)],
        "reviews": [],
        "check-runs": github_answers.check_runs(github_answers.check_run()),
        "status": github_answers.combined_status(),
    }
    answer = answers.get(asked.path.partition("?")[0].rpartition("/")[2])
    return Told(b"{}", 404) if answer is None else Told(json.dumps(answer).encode())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningMetadata]:
    """A server with the environment of the sidecar, but for folders, its port and a GitHub of our own."""
    folder = tmp_path_factory.mktemp("workspace")
    [pod] = manifests_in("sidecar.yaml")
    env = {each["name"]: each["value"] for each in _sidecar(pod)["env"]}
    assert env.pop("METADATA_FOLDER").startswith(f"{Path(env['FLEET_TASK_FILE']).parent}/")
    task = folder / "task.json"
    task.write_text('{"status": "running", "description": "Fix the\\ncheckout", "source": "claude"}')
    with pytest.MonkeyPatch.context() as monkeypatch, small_server(_pull_requests) as github:
        isolate(monkeypatch, folder)
        MadeRepository(folder / "project").commit("First")
        told = {"GITHUB_API_URL": github.url, "GITHUB_REPO": "me/shop", "GITHUB_TOKEN": "token"}
        ours = {"FLEET_TASK_FILE": str(task), "FLEET_METADATA_TOKEN": TOKEN}
        with RunningMetadata(folder / "project", folder / "log", **env | told | ours) as server:
            yield server


def _run(script: str, url: str) -> subprocess.CompletedProcess[bytes]:
    """As the agent does: both outputs are the value."""
    return subprocess.run(
        ["sh", "-c", script.replace(URL, url)],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "FLEET_METADATA_TOKEN": TOKEN},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=30,
        check=False,
    )


def _with_token(script: str) -> str:
    return f"{script} --header 'Authorization: Bearer {TOKEN}'"


def _read(server: RunningMetadata, key: str) -> httpx.Response:
    return httpx.get(
        f"{server.url}/metadata/{key}?format=text",
        headers={"Authorization": f"Bearer {TOKEN}"},
        trust_env=False,
        timeout=30,
    )


VALUES = {
    "git_branch": b"main",
    "git_status": b"clean",
    "github_pr_number": b"810",
    "github_checks_status": b"success",
    "workspace_task_status": b"running",
    "workspace_task_description": b"Fix the checkout",
}


def test_each_script_gives_its_value_in_one_line(server: RunningMetadata) -> None:
    # GitHub is asked in the background, so its keys come a moment later.
    until(lambda: _read(server, "github_checks_status").text == "success")
    done = {
        block["key"]: _run(_with_token(block["script"]), server.url)
        for block in resource("coder_agent")["metadata"]
    }
    assert {key: one.returncode for key, one in done.items()} == dict.fromkeys(VALUES, 0)
    assert {key: one.stdout for key, one in done.items()} == VALUES


@pytest.mark.parametrize(
    ("url", "code", "shown"),
    [
        ("http://127.0.0.1:9", 7, rb"curl: \(7\) Failed to connect to 127\.0\.0\.1.*"),
        ("{server}/gone", 22, rb"curl: \(22\) .*404.*"),
    ],
    ids=["no server", "no such key"],
)
def test_a_script_without_a_value_says_why_in_one_line(
    server: RunningMetadata, url: str, code: int, shown: bytes
) -> None:
    block = resource("coder_agent")["metadata"][0]
    done = _run(_with_token(block["script"]), url.format(server=server.url))
    assert done.returncode == code
    assert re.fullmatch(shown, done.stdout.rstrip(b"\n"))


def test_a_script_gives_up_before_coder_does() -> None:
    for block in resource("coder_agent")["metadata"]:
        [seconds] = re.findall(r"--max-time (\d+)", block["script"])
        assert int(seconds) < block["timeout"] < block["interval"]


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe"])
def test_a_probe_tells_a_server_that_runs_from_one_that_is_gone(
    server: RunningMetadata, pod: Manifest, probe: str
) -> None:
    python, *arguments = _sidecar(pod)[probe]["exec"]["command"]
    assert python == "python"
    ports = (server.url.rpartition(":")[2], "9")
    codes = [
        subprocess.run(
            [sys.executable, *(argument.replace("8001", port) for argument in arguments)],
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        ).returncode
        for port in ports
    ]
    assert (codes[0], bool(codes[1])) == (0, True)


def test_the_sidecar_knows_its_workspace(server: RunningMetadata) -> None:
    known = {key: _read(server, f"workspace_{key}").text for key in ("id", "name", "owner", "agent_name")}
    assert known == {"id": ID, "name": "shop", "owner": "me", "agent_name": "main"}


def test_the_app_leads_to_what_there_is(server: RunningMetadata) -> None:
    app = resource("coder_app")
    urls = [app["url"], *(check["url"] for check in app["healthcheck"])]
    answers = [
        httpx.get(
            url.replace("http://localhost:8001", server.url),
            # By the name that a browser has for it.
            headers={"Host": "coder.example.com", "Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
            timeout=60,
        )
        for url in urls
    ]
    assert [answer.status_code for answer in answers] == [200, 200]


def test_the_client_of_the_page_reads_the_workspace(server: RunningMetadata) -> None:
    [script] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", re.sub(r"http://coder-[^\"]+", server.url, script)],
        env=environment({"FLEET_METADATA_TOKEN": TOKEN}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "me/shop {'git_branch': 'main', 'workspace_task_status': 'running'}\n"
