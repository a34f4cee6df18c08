"""A root and two leaves, ECDSA P-256, as a mesh would issue them: SPIFFE names, and a DNS name for peers that want one."""

from __future__ import annotations

import subprocess
from pathlib import Path


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_certificates(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    _openssl("req", "-x509", *curve, "-keyout", f"{folder}/root.key", "-out", f"{folder}/root.pem", "-days", "7",
             "-subj", "/O=cluster.local", "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
             "keyUsage=critical,keyCertSign,cRLSign")
    for who in ("client", "server"):
        extensions = folder / f"{who}.ext"
        extensions.write_text(
            f"subjectAltName=critical,URI:spiffe://cluster.local/ns/default/sa/{who},DNS:{who}.bench\n"
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=serverAuth,clientAuth\n")
        _openssl("req", *curve, "-keyout", f"{folder}/{who}.key", "-out", f"{folder}/{who}.csr", "-subj", "/")
        _openssl("x509", "-req", "-in", f"{folder}/{who}.csr", "-CA", f"{folder}/root.pem", "-CAkey",
                 f"{folder}/root.key", "-CAcreateserial", "-days", "7", "-extfile", str(extensions), "-out",
                 f"{folder}/{who}.pem")
        both = folder / f"{who}-both.pem"
        both.write_text((folder / f"{who}.pem").read_text() + (folder / f"{who}.key").read_text())
    return folder
