"""The API server is believed where an authority that is trusted signed for it, and is shown the token then alone."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kubernetes_objects import SECRET
from kubernetes_server import kubernetes_server

from toolhive_client.errors import ToolhiveUnavailable
from toolhive_client.kubernetes.client import KubernetesClient
from toolhive_client.models import Listing

TOKEN = "eyJhbGciOiJSUzI1NiJ9.a-token.of-a-service-account"


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """The folder in which a service account has its files; it has no authority yet."""
    (tmp_path / "token").write_text(TOKEN)
    return tmp_path


async def listing(url: str, account: Path) -> Listing:
    async with KubernetesClient(url, token_file=account / "token", ca_file=account / "ca.crt") as client:
        return await client.list_workloads()


async def test_the_authority_of_the_cluster_is_trusted(account: Path) -> None:
    async with kubernetes_server(TOKEN, make_authority(account)) as server:
        assert await listing(server.url, account) == Listing(())


@pytest.mark.parametrize("has_authority", [True, False])
async def test_one_that_is_not_trusted_is_shown_no_token(
    account: Path, tmp_path_factory: pytest.TempPathFactory, has_authority: bool
) -> None:
    if has_authority:
        make_authority(account)
    async with kubernetes_server(TOKEN, make_authority(tmp_path_factory.mktemp("elsewhere"))) as server:
        with pytest.raises(ToolhiveUnavailable, match=f"the certificate in {account / 'ca.crt'}"):
            await listing(server.url, account)
        assert server.asked == []


async def test_an_authority_that_is_none_says_so(account: Path) -> None:
    (account / "ca.crt").write_text(SECRET)
    with pytest.raises(ToolhiveUnavailable, match=f"check the certificate in {account / 'ca.crt'}") as caught:
        await listing("https://127.0.0.1:1", account)
    assert SECRET not in str(caught.value)


def make_authority(folder: Path) -> ssl.SSLContext:
    """That of a server on 127.0.0.1 which signed for itself; `folder` gets it as an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "ca.crt", folder / "tls.key")
    return context
