"""`python -m envs.certificate names=[gamepc,192.168.0.5]`: the certificate of a machine that games or runners reach."""

from pathlib import Path
from typing import Any

from envs.app import OK, plain, run_app
from envs.remote.security import make_certificate


def main(config: Any) -> int:
    """Write certificate and key, and say who needs which."""
    section = plain(config)
    names = [str(name) for name in section["names"] or []]
    certificate, key = make_certificate(names, Path(section["folder"]))
    print(
        f"Wrote {certificate} and {key}, valid for {', '.join(names)}.\n"
        f"This machine, which listens:  tls_certificate={certificate} tls_key={key}\n"
        f"Those who connect to it need a copy of {certificate.name} alone:  tls_authority={certificate.name}"
    )
    return OK


if __name__ == "__main__":
    run_app(main, config_name="certificate")
