"""Signatures: only the untouched bundle verifies, only under its own key, and every fault is named."""

import base64
import json
import os
import shutil
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from strijdtaal.errors import BundleError, UsageError
from strijdtaal.folder import FolderError, write_folder
from strijdtaal.signature import FILE, PASSWORD, check_private_key, sign_bundle, verify_signature

PEM = serialization.Encoding.PEM


def write_keys(folder, key, password=None):
    """private.pem and public.pem, as openssl writes them."""
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, hidden)
    public = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    folder.mkdir(exist_ok=True)
    (folder / "private.pem").write_bytes(private)
    (folder / "public.pem").write_bytes(public)
    return folder / "private.pem", folder / "public.pem"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return write_keys(tmp_path_factory.mktemp("keys"), ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(scope="module")
def signed_once(bundle, keys, tmp_path_factory):
    target = tmp_path_factory.mktemp("signed") / "bundle"
    shutil.copytree(bundle, target)
    assert sign_bundle(target, keys[0]) == target / FILE
    return target


@pytest.fixture
def signed(signed_once, tmp_path):
    return shutil.copytree(signed_once, tmp_path / "bundle")


def names(bundle):
    return {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}


def test_signature_covers_every_other_file(signed, keys):
    assert verify_signature(signed, keys[1]) == len(names(signed)) - 1
    document = json.loads((signed / FILE).read_text("utf-8"))
    statement = json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))
    assert {entry["name"] for entry in statement["predicate"]["resources"]} == names(signed) - {FILE}
    assert "manifest.json" in names(signed)


def test_signing_changes_no_other_file_and_can_be_repeated(bundle, signed, keys):
    for name in names(bundle):
        assert (signed / name).read_bytes() == (bundle / name).read_bytes()
    first = (signed / FILE).read_bytes()
    sign_bundle(signed, keys[0])
    assert (signed / FILE).read_bytes() != first  # ECDSA draws a number
    verify_signature(signed, keys[1])


@pytest.mark.parametrize("name", ["labels.json", "manifest.json", "model.safetensors", "onnx/model.onnx", "README.md"])
def test_changed_file_is_named(signed, keys, name):
    raw = bytearray((signed / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (signed / name).write_bytes(raw)
    with pytest.raises(BundleError, match=f"{name} was changed after it was signed"):
        verify_signature(signed, keys[1])


@pytest.mark.parametrize("name", ["extra.json", ".gitignore", ".git/config", "onnx/more.onnx"])
def test_added_file_is_named(signed, keys, name):
    (signed / name).parent.mkdir(exist_ok=True)
    (signed / name).write_text("{}")
    with pytest.raises(BundleError, match=f"{name} was not signed"):
        verify_signature(signed, keys[1])


def test_missing_file_is_named(signed, keys):
    (signed / "golden.json").unlink()
    with pytest.raises(BundleError, match=r"golden\.json is missing; it was signed"):
        verify_signature(signed, keys[1])


@pytest.mark.parametrize("name", ["labels.json", "signature/model.sig", "signature", "onnx"])
def test_links_are_refused(signed, keys, tmp_path, name):
    (signed / name).rename(tmp_path / "elsewhere")
    (signed / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match=f"{name} is a symbolic link"):
        verify_signature(signed, keys[1])


def test_pipes_are_refused_and_not_waited_for(signed, keys):
    os.mkfifo(signed / "pipe.json")
    with pytest.raises(BundleError, match=r"pipe\.json is no plain file"):
        verify_signature(signed, keys[1])
    with pytest.raises(BundleError, match=r"pipe\.json is no plain file"):
        sign_bundle(signed, keys[0])


def test_file_beside_the_signature_is_refused(signed, keys):
    (signed / "signature" / "note.txt").write_text("x")
    with pytest.raises(BundleError, match=r"note\.txt does not belong beside the signature"):
        verify_signature(signed, keys[1])


def test_a_bundle_sealed_again_by_somebody_else_is_refused(signed, keys, tmp_path):
    other = tmp_path / "other" / "bundle"
    with write_folder(other, "strijdtaal bundle") as work:
        shutil.copytree(signed, work, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json", "signature"))
        labels = json.loads((work / "labels.json").read_text("utf-8"))
        labels["labels"][0]["threshold"] = 0.99
        (work / "labels.json").write_text(json.dumps(labels))
    shutil.copytree(signed / "signature", other / "signature")
    with pytest.raises(BundleError, match=r"labels\.json was changed after it was signed"):
        verify_signature(other, keys[1])


def test_other_key_is_refused(signed, tmp_path):
    _, public = write_keys(tmp_path / "other", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(BundleError, match="signed with another key"):
        verify_signature(signed, public)


def rewritten(signed, change):
    document = json.loads((signed / FILE).read_text("utf-8"))
    change(document)
    (signed / FILE).write_text(json.dumps(document))


def test_other_key_under_a_forged_hint_is_refused(signed, keys, tmp_path):
    private, _ = write_keys(tmp_path / "other", ec.generate_private_key(ec.SECP256R1()))
    hint = json.loads((signed / FILE).read_text("utf-8"))["verificationMaterial"]
    (signed / "labels.json").write_text("{}")
    (signed / "manifest.json").unlink()
    with write_folder(tmp_path / "forged" / "bundle", "strijdtaal bundle") as work:
        shutil.copytree(signed, work, dirs_exist_ok=True, ignore=shutil.ignore_patterns("signature"))
    sign_bundle(tmp_path / "forged" / "bundle", private)
    rewritten(tmp_path / "forged" / "bundle", lambda document: document.update(verificationMaterial=hint))
    with pytest.raises(BundleError, match="altered, or made with another key"):
        verify_signature(tmp_path / "forged" / "bundle", keys[1])


def leave_out(document, paths):
    statement = json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))
    statement["predicate"]["serialization"]["ignore_paths"] = paths
    document["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("dsseEnvelope"),
        lambda document: document["dsseEnvelope"].update(payload="not base64!"),
        lambda document: document["verificationMaterial"].pop("publicKey"),
        lambda document: document["verificationMaterial"]["publicKey"].pop("hint"),
        lambda document: leave_out(document, ["signature/model.sig", "onnx"]),
    ],
)
def test_signature_of_another_form_is_refused(signed, keys, change, capsys):
    rewritten(signed, change)
    with pytest.raises(BundleError, match=r"model\.sig is no signature as 'sign' makes it"):
        verify_signature(signed, keys[1])
    assert capsys.readouterr() == ("", "")


def test_signature_that_leaves_files_out_is_refused_although_the_key_is_right(bundle, keys, tmp_path):
    """By the same library and key, without strijdtaal: valid for model-signing, but it does not cover the graph."""
    from model_signing import hashing, signing

    target = shutil.copytree(bundle, tmp_path / "bundle")
    (target / "signature").mkdir()
    config = hashing.Config().set_ignored_paths(paths=[FILE, "onnx"], ignore_git_paths=False)
    signing.Config().set_hashing_config(config).use_elliptic_key_signer(private_key=keys[0]).sign(target, target / FILE)
    with pytest.raises(BundleError, match="leaves files out"):
        verify_signature(target, keys[1])


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"a": 1, "a": 2}', b"x" * 2_000_000])
def test_garbage_for_a_signature_is_refused(signed, keys, content):
    (signed / FILE).write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.sig"):
        verify_signature(signed, keys[1])


def test_altered_bytes_of_the_signature_are_refused(signed, keys):
    def flip(document):
        raw = bytearray(base64.b64decode(document["dsseEnvelope"]["signatures"][0]["sig"]))
        raw[-1] ^= 1
        document["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(raw).decode()

    rewritten(signed, flip)
    with pytest.raises(BundleError, match="altered, or made with another key"):
        verify_signature(signed, keys[1])


def test_bundle_without_signature_says_so(bundle, keys, tmp_path):
    with pytest.raises(BundleError, match="is not signed"):
        verify_signature(bundle, keys[1])
    with pytest.raises(BundleError, match="is not a folder"):
        verify_signature(tmp_path / "nowhere", keys[1])


def test_damaged_bundle_is_not_signed(signed, keys):
    (signed / "labels.json").write_text("{}")
    with pytest.raises(FolderError, match=r"labels\.json was changed"):
        sign_bundle(signed, keys[0])


def test_key_files_that_cannot_be_used(signed, keys, tmp_path):
    private, public = keys
    (tmp_path / "note.pem").write_text("a letter")
    (tmp_path / "bad.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    (tmp_path / "cert.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    rsa_private, rsa_public = write_keys(tmp_path / "rsa", rsa.generate_private_key(65537, 2048))
    small_private, _ = write_keys(tmp_path / "small", ec.generate_private_key(ec.SECP256K1()))
    for path, message in (
        (tmp_path / "none.pem", "Cannot read the key"),
        (tmp_path / "note.pem", "is no key in PEM form"),
        (tmp_path / "bad.pem", "cannot be read"),
        (public, "holds no private key"),
        (rsa_private, "is no elliptic-curve key"),
        (small_private, "is no elliptic-curve key"),
    ):
        with pytest.raises(UsageError, match=message):
            sign_bundle(signed, path)
    for path, message in (
        (tmp_path / "note.pem", "is no key in PEM form"),
        (private, "is a private key"),
        (tmp_path / "cert.pem", "is a certificate"),
        (rsa_public, "is no elliptic-curve key"),
    ):
        with pytest.raises(UsageError, match=message):
            verify_signature(signed, path)


def test_key_inside_the_bundle_is_refused(signed, keys):
    shutil.copy(keys[0], signed / "private.pem")
    with pytest.raises(UsageError, match="would be given away with it"):
        sign_bundle(signed, signed / "private.pem")


def test_password_comes_from_the_environment(tmp_path, monkeypatch):
    private, _ = write_keys(tmp_path / "keys", ec.generate_private_key(ec.SECP384R1()), b"open")
    monkeypatch.setattr(sys, "stdin", None)  # as in a service
    with pytest.raises(UsageError, match=f"is encrypted.*{PASSWORD}"):
        check_private_key(private)
    monkeypatch.setenv(PASSWORD, "shut")
    with pytest.raises(UsageError, match="its password is wrong"):
        check_private_key(private)
    monkeypatch.setenv(PASSWORD, "open")
    assert check_private_key(private) == b"open"


OPENSSL = """
openssl ecparam -name prime256v1 -genkey -noout | openssl ec -aes256 -passout pass:geheim -out private.pem
openssl ec -in private.pem -passin pass:geheim -pubout -out public.pem
"""
OTHER_PROCESS = """
import sys
from pathlib import Path
from strijdtaal.errors import StrijdtaalError
from strijdtaal.signature import sign_bundle, verify_signature
bundle, private, public = map(Path, sys.argv[1:])
sign_bundle(bundle, private)
print(verify_signature(bundle, public))
(bundle / "run.yaml").write_text("name: other")
try:
    verify_signature(bundle, public)
except StrijdtaalError as error:
    print(error.exit_code, error)
sys.modules["model_signing"] = None
try:
    verify_signature(bundle, public)
except StrijdtaalError as error:
    print(error.exit_code, error)
"""


def test_in_a_process_of_its_own_with_keys_from_openssl(bundle, tmp_path):
    """Encrypted key, password from the environment, umask 027; then a changed file, then without the extra."""
    subprocess.run(["bash", "-ec", OPENSSL], cwd=tmp_path, check=True, capture_output=True)
    target = shutil.copytree(bundle, tmp_path / "bundle")
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", OTHER_PROCESS, target, tmp_path / "private.pem", tmp_path / "public.pem"],
        env={**os.environ, PASSWORD: "geheim"}, capture_output=True, text=True, umask=0o027,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    first, second, third = result.stdout.splitlines()
    assert int(first) == len(names(target)) - 1
    assert second.startswith("4 ")
    assert "run.yaml was changed after it was signed" in second
    assert third == "2 Signatures need model_signing. Install the extra: pip install 'strijdtaal[sign]'."
    assert (target / FILE).stat().st_mode & 0o777 == 0o640
    assert (target / FILE).parent.stat().st_mode & 0o777 == 0o750


def test_command_proves_the_bundle_first(bundle, keys, tmp_path, capsys):
    import argparse

    from eval.sign import add_parser, run

    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    target = shutil.copytree(bundle, tmp_path / "bundle")
    run(parser.parse_args(["sign", str(target), "--key", str(keys[0])]))
    assert "Signed:" in capsys.readouterr().out
    verify_signature(target, keys[1])
    damaged = shutil.copytree(bundle, tmp_path / "damaged")
    (damaged / "labels.json").write_text("{}")
    with pytest.raises(BundleError, match=r"labels\.json was changed"):
        run(parser.parse_args(["sign", str(damaged), "--key", str(keys[0])]))
    assert not (damaged / FILE).exists()
