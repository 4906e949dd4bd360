"""`python -m envs.certificate names=[gamepc,192.168.0.5]`: the certificate of a machine that games or runners reach."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from envs.app import OK, run_app
from envs.remote.security import make_certificate


def main(config: DictConfig) -> int:
    """Write certificate and key, and say who needs which."""
    names = [str(name) for name in OmegaConf.to_container(config.names) or []]  # type: ignore[union-attr]
    certificate, key = make_certificate(names, Path(config.folder))
    print(
        f"Wrote {certificate} and {key}, valid for {', '.join(names)}.\n"
        f"This machine, which listens:  tls_certificate={certificate} tls_key={key}\n"
        f"Those who connect to it need a copy of {certificate.name} alone:  tls_authority={certificate.name}"
    )
    return OK


if __name__ == "__main__":
    run_app(main, config_name="certificate")
