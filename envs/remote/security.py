"""Who may talk to whom: a token that both sides know, and TLS with one certificate that the listening side shows."""

import datetime
import ipaddress
import os
import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from envs.errors import ConfigError

TOKEN_VARIABLE = "CHICANE_TOKEN"
CERTIFICATE, KEY = "certificate.pem", "key.pem"
_VALID_DAYS = 3650


def known_token(token: str | None) -> str | None:
    """Return the token of a config, else that of the environment, which no file of a run will hold.

    Raises:
        ConfigError: it is empty.
    """
    chosen = os.environ.get(TOKEN_VARIABLE) if token is None else token
    if chosen == "":
        raise ConfigError(f"The token (token=… or {TOKEN_VARIABLE}) is empty: leave it out, or choose one.")
    return chosen


def listening_context(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    """Return what whoever listens encrypts with; None if neither file is named.

    Raises:
        ConfigError: only one is named, or a file does not hold what it should.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigError("TLS needs tls_certificate and tls_key, both; python -m envs.certificate makes them.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls_certificate={certificate}, tls_key={key}: {error}.") from error
    return context


def connecting_context(authority: str | None) -> ssl.SSLContext | None:
    """Return what whoever connects checks the other side with: only the certificate in this file is trusted.

    Raises:
        ConfigError: the file does not hold a certificate.
    """
    if authority is None:
        return None
    try:
        context = ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls_authority={authority}: expected a certificate in PEM form ({error}).") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def make_certificate(names: Sequence[str], folder: Path) -> tuple[Path, Path]:
    """Write a certificate for the machine that is reached by `names`, and its key; return both paths.

    Args:
        names: host names and addresses that the other side connects to.
        folder: is made where it does not exist.

    Raises:
        ConfigError: there is no name, or there is a certificate already.
    """
    if not names:
        raise ConfigError("Expected names=[…]: the host names or addresses at which this machine is reached.")
    certificate, key = folder / CERTIFICATE, folder / KEY
    if certificate.exists() or key.exists():
        raise ConfigError(f"There is a certificate in {folder} already; name another folder=….")
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # clocks differ
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    encoded = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(encoded)
    return certificate, key


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
