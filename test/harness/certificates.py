"""Certificates for servers of the tests, signed by authorities of their own. Needs openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from harness.cluster import Cluster

DAYS = "2"


def has_openssl() -> bool:
    """Return whether certificates can be made."""
    return shutil.which("openssl") is not None


class Authority:
    """Signs certificates; what it makes lies in the folder of a cluster, for its server to read.

    Attributes:
        certificate: the file with its own certificate.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._name = name
        self.certificate, self._key = self._make(f"/CN={name}", name)

    def sign(self, subject: str, name: str, *alternatives: str) -> tuple[Path, Path]:
        """Return the files of a new certificate and its key, which only the server may read.

        Args:
            subject: the common name.
            name: what the files are called.
            alternatives: other names, such as `DNS:localhost`.
        """
        options: list[str | Path] = ["-CA", self.certificate, "-CAkey", self._key]
        options += ["-addext", "basicConstraints=critical,CA:FALSE"]
        if alternatives:
            options += ["-addext", f"subjectAltName={','.join(alternatives)}"]
        return self._make(f"/CN={subject}", name, *options)

    def _make(self, subject: str, name: str, *options: str | Path) -> tuple[Path, Path]:
        """Make a key and its certificate, signed by itself unless options say otherwise."""
        certificate, key = (self._cluster.folder / f"{name}.{kind}" for kind in ("crt", "key"))
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-nodes", "-days", DAYS, "-subj", subject),
                *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-keyout", key, "-out", certificate),
                *options,
            ],
            check=True,
            capture_output=True,
        )
        owner = self._cluster.folder.stat()
        for path, mode in ((certificate, 0o644), (key, 0o600)):
            path.chmod(mode)
            shutil.chown(path, owner.st_uid, owner.st_gid)
        return certificate, key
