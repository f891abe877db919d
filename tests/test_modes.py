"""File modes follow the umask of the process that writes (fault 48), whatever a library thinks of it."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

WRITE = """
import os
import sys
from pathlib import Path
import numpy as np
from safetensors.numpy import save_file
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from strijdtaal.bundle import KIND
from strijdtaal.folder import write_folder
from strijdtaal.signature import sign_bundle

key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
private = Path(sys.argv[1]) / "private.pem"
private.write_bytes(key)
for umask in sys.argv[2:]:
    os.umask(int(umask, 8))
    target = private.with_name(umask)
    with write_folder(target, KIND) as work:
        save_file({"w": np.zeros(4, np.float32)}, work / "model.safetensors")
        assert (work / "model.safetensors").stat().st_mode & 0o777 == 0o600  # what safetensors does
        (work / "onnx").mkdir()
        (work / "onnx" / "model.onnx").write_bytes(b"graph")
        for name in ("sbom.cdx.json", "LICENSES.md", "README.md"):
            (work / name).write_text("text")
    sign_bundle(target, private)
"""


def modes(folder):
    return {
        path.relative_to(folder).as_posix(): stat.S_IMODE(path.lstat().st_mode) for path in (folder, *folder.rglob("*"))
    }


@pytest.mark.slow
def test_folder_and_signature_follow_the_umask(tmp_path):
    umasks = ["022", "027", "077"]
    subprocess.run([sys.executable, "-W", "error", "-c", WRITE, tmp_path, *umasks], check=True, cwd=ROOT)
    for umask in umasks:
        found = modes(tmp_path / umask)
        assert {"signature/model.sig", "sbom.cdx.json", "manifest.json", "onnx/model.onnx"} <= set(found)
        for name, mode in found.items():
            expected = 0o777 if (tmp_path / umask / name).is_dir() else 0o666
            assert mode == expected & ~int(umask, 8), (umask, name)


@pytest.mark.slow
def test_packaged_bundle_follows_the_umask(run_folder, tmp_path):
    command = [sys.executable, "-m", "eval", "package", run_folder, "--out", tmp_path / "bundle"]
    subprocess.run(command, check=True, umask=0o027, cwd=ROOT, capture_output=True)
    for name, mode in modes(tmp_path / "bundle").items():
        assert mode == (0o750 if (tmp_path / "bundle" / name).is_dir() else 0o640), name
