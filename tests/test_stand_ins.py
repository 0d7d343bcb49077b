"""The stand-ins that the documentation is tested with say no where a cluster or an engine would."""

import os
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from docs_pages import ROOT
from docs_scratch import BIN, STAND_INS

pytestmark = pytest.mark.skipif(
    not (find_spec("helm_python") and find_spec("kubernetes_validate")),
    reason="helm-python-sdk is not installed",
)
SECRETS = [
    "kubectl create namespace fleet",
    "kubectl --namespace fleet create secret generic fleet-database --from-literal=password=secret",
    "kubectl --namespace fleet create secret generic fleet-coldquery --from-literal=password=secret",
]
INSTALL = "helm upgrade --install fleet helm/fleet --namespace fleet --create-namespace"
Run = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Run]:
    def of(cluster: Path) -> Run:
        environment = {
            "PATH": os.pathsep.join([str(STAND_INS), str(BIN), os.environ["PATH"]]),
            "STAND_IN_CLUSTER": str(cluster),
        }

        def run(command: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["bash", "-euc", command],
                check=False,
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
            )

        return run

    return of


@pytest.fixture(scope="module")
def installed(run_in: Callable[[Path], Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cluster's file, with the chart in it."""
    cluster = tmp_path_factory.mktemp("cluster") / "cluster.json"
    done = run_in(cluster)("\n".join([*SECRETS, INSTALL]))
    assert done.returncode == 0, done.stderr
    return cluster


@pytest.fixture
def run(run_in: Callable[[Path], Run], installed: Path, tmp_path: Path) -> Run:
    """Run a command where the chart is installed."""
    return run_in(Path(shutil.copy(installed, tmp_path)))


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("kubectl -n fleet rollout status deployment/fleet-graph --timeout=5m", ""),
        ("kubectl -n fleet exec deploy/fleet-graph -- echo here", "here\n"),
        ("kubectl -n fleet get deploy fleet-ci -o name", "deployment/fleet-ci\n"),
        ("kubectl -n fleet get secret fleet-database -o jsonpath='{.data.password}' | base64 -d", "secret"),
        ("kubectl -n fleet logs deploy/fleet-sql --tail=5", ""),
        ("kubectl -n fleet port-forward svc/fleet-graph 8000:8000", ""),
        ("docker run --rm ghcr.io/fleet/dependency-graph:0.1.0 --help | grep -o 'Usage: [a-z-]*'", "Usage: dependency-graph\n"),
        ("docker build --target ci-server --tag ci-server .", ""),
    ],
)  # fmt: skip
def test_a_command_that_a_cluster_or_an_engine_would_take_is_taken(
    run: Run, command: str, printed: str
) -> None:
    done = run(command)
    assert (done.returncode, done.stdout) == (0, printed), done.stderr


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (
            "kubectl -n fleet rollout status deployment/fleet-grap",
            "no deployment fleet-grap in namespace fleet",
        ),
        ("kubectl rollout status deployment/fleet-graph", "no deployment fleet-graph in namespace default"),
        ("kubectl -n fleet exec deploy/fleet-graph -- false", ""),
        ("kubectl -n fleet get pods -l app=nothing", "has the labels app=nothing"),
        (
            "kubectl apply -f - <<< '{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {port: 1}}'",
            "'port'",
        ),
        (f"{INSTALL} --set graph.replicas=3", "replicas"),
        (f"{INSTALL} --set graph.replicaCount=many", "replicaCount"),
        (f"{INSTALL} --set externalDatabase.existingSecret=other", "pods would wait for secrets"),
        ("helm upgrade other helm/fleet --namespace fleet", "there is no release other"),
        ("helm install --no-such-option fleet helm/fleet", "--no-such-option"),
        ("docker build --target nobody .", "no target nobody"),
        ("docker frobnicate", "it knows"),
    ],
)
def test_what_a_cluster_or_an_engine_would_refuse_is_refused(run: Run, command: str, reason: str) -> None:
    done = run(command)
    assert done.returncode != 0
    assert reason in done.stderr


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("docker compose up --detach graf", "no service graf"),
        ("docker compose exec graf ls", "no service graf"),
        ("docker compose exec graph false", ""),
    ],
)
def test_a_service_that_the_composition_has_not_is_refused(run: Run, command: str, reason: str) -> None:
    passwords = "POSTGRES_PASSWORD=a REDIS_PASSWORD=a COLDQUERY_ROLE_PASSWORD=a CI_ROLE_PASSWORD=a FLEET_METADATA_TOKEN=a"
    assert run(f"export {passwords}; docker compose exec graph true").returncode == 0
    refused = run(f"export {passwords}; {command}")
    assert refused.returncode != 0
    assert reason in refused.stderr
