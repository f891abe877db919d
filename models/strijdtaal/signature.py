"""Signatures on bundles: who sealed this, not only that it is whole (extra ``sign``).

The manifest proves that nothing changed since somebody sealed the bundle; anybody can seal. A signature by an
elliptic-curve key proves that the holder of that key signed exactly these files. It is made and checked by
OpenSSF's model-signing and lies in the bundle as ``signature/model.sig`` (a Sigstore bundle: DSSE envelope over an
in-toto statement), covering every other file, ``manifest.json`` included. What it proves and what not: models/TRUST.md.
"""

from __future__ import annotations

import base64
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from strijdtaal.bundle import KIND
from strijdtaal.errors import BundleError, UsageError
from strijdtaal.folder import sha256_of, verify_folder, write_file

FOLDER = "signature"  # beside what the manifest lists
FILE = f"{FOLDER}/model.sig"
PASSWORD = "STRIJDTAAL_KEY_PASSWORD"  # noqa: S105 - the name of the environment variable
MAX_SIGNATURE = 1_000_000  # bytes
MAX_KEY = 100_000  # bytes
# What the signer fixes and the verifier insists on: sha256 of every file, links refused, one file left out.
_SERIALIZATION = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": [FILE]}
_ASK = "openssl ecparam -name prime256v1 -genkey -noout -out private.pem"


def _hashing() -> Any:
    try:
        from model_signing import hashing
    except ImportError as error:
        raise UsageError(f"Signatures need {error.name}. Install the extra: pip install 'strijdtaal[sign]'.") from error
    config: Any = hashing.Config()  # type: ignore[no-untyped-call]
    return config.set_ignored_paths(paths=[FILE], ignore_git_paths=False)


def _key_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            raw = handle.read(MAX_KEY + 1)
    except OSError as error:
        raise UsageError(f"Cannot read the key {path}: {error.strerror}. Check the path.") from error
    if len(raw) > MAX_KEY or b"-----BEGIN" not in raw:
        raise UsageError(f"{path} is no key in PEM form. Make one: {_ASK}")
    return raw


def _password(path: Path) -> bytes:
    """The password of an encrypted key: from the environment, else asked for on a terminal."""
    if PASSWORD in os.environ:
        return os.environ[PASSWORD].encode()
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(f"{path} is encrypted. Put its password into the environment variable {PASSWORD}.")
    from getpass import getpass

    return getpass(f"Password of {path}: ").encode()


def check_private_key(path: Path) -> bytes | None:
    """Whether a private key can sign; returns its password, None without one.

    Raises:
        UsageError: the file is missing, no private key, of a curve that model-signing does not know, or its
            password is wrong; or the extra ``sign`` is not installed.
    """
    _hashing()
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    raw = _key_bytes(path)
    if b"PUBLIC KEY" in raw or b"CERTIFICATE" in raw:
        raise UsageError(f"{path} holds no private key. Sign with the private key, verify with the public one.")
    password = _password(path) if b"ENCRYPTED" in raw else None
    try:
        key = load_pem_private_key(raw, password)
    except Exception as error:  # ValueError, TypeError, UnsupportedAlgorithm
        reason = "its password is wrong" if password is not None else "it cannot be read"
        raise UsageError(f"{path} is no usable private key: {reason} ({str(error)[:200]}).") from error
    _check_curve(path, key, EllipticCurvePrivateKey)
    return password


def _check_curve(path: Path, key: Any, expected: Any) -> None:
    curves = ("secp256r1", "secp384r1", "secp521r1")
    if not isinstance(key, expected) or key.curve.name not in curves:
        raise UsageError(
            f"{path} is no elliptic-curve key of the kind that signs bundles ({', '.join(curves)}). Make one: {_ASK}"
        )


def _check_public_key(raw: bytes, path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY" in raw:
        raise UsageError(f"{path} is a private key. Take its public one: openssl ec -in {path} -pubout -out public.pem")
    if b"CERTIFICATE" in raw:
        raise UsageError(
            f"{path} is a certificate. Take its public key: openssl x509 -in {path} -pubkey -noout > public.pem"
        )
    try:
        key = load_pem_public_key(raw)
    except Exception as error:  # ValueError, UnsupportedAlgorithm
        raise UsageError(f"{path} is no public key in PEM form ({str(error)[:200]}).") from error
    _check_curve(path, key, EllipticCurvePublicKey)


def sign_bundle(bundle: Path, private_key: Path) -> Path:
    """Sign a whole bundle; an older signature is replaced. Returns the path of the signature.

    The password of an encrypted key comes from the environment variable ``STRIJDTAAL_KEY_PASSWORD``, or is asked
    for on a terminal. Signatures differ each time (ECDSA draws a number), the bundle's identity does not.

    Raises:
        UsageError: the key cannot sign (see ``check_private_key``), or lies inside the bundle.
        FolderError: the bundle is not as its manifest says, or cannot be written to.
    """
    password = check_private_key(private_key)
    if private_key.resolve().is_relative_to(bundle.resolve()):
        raise UsageError(f"{private_key} lies inside the bundle and would be given away with it. Move it.")
    _check_alone(bundle)
    verify_folder(bundle, KIND, added=(FOLDER,))
    from model_signing import signing

    # model-signing hands the password on to cryptography, which takes bytes, whatever its own annotation says.
    config: Any = signing.Config()  # type: ignore[no-untyped-call]
    config.set_hashing_config(_hashing())
    config.use_elliptic_key_signer(private_key=private_key, password=password)
    with tempfile.TemporaryDirectory() as work:
        config.sign(bundle, Path(work) / "model.sig")
        text = (Path(work) / "model.sig").read_text(encoding="utf-8")
    target = bundle / FILE
    try:
        target.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise BundleError(f"Cannot write {target.parent}: {error.strerror}. Check who owns the bundle.") from error
    write_file(target, text)
    return target


def _check_alone(bundle: Path) -> None:
    """Nothing but the signature lies in its folder, and nothing in the bundle is a link or a special file."""
    for path in sorted(bundle.rglob("*")):
        name = path.relative_to(bundle).as_posix()
        if path.is_symlink():
            raise BundleError(f"{path} is a symbolic link; a signed bundle holds plain files only.")
        if not path.is_file() and not path.is_dir():
            raise BundleError(f"{path} is no plain file (a pipe, socket or device). Remove it.")
        if name.startswith(f"{FOLDER}/") and name != FILE:
            raise BundleError(f"{path} does not belong beside the signature. Remove it.")


def _payload(path: Path) -> tuple[bytes, dict[str, Any]]:
    """A signature file's bytes, and the statement in it, not yet trusted.

    Raises:
        BundleError: no signature, or none as ``sign_bundle`` makes it.
    """
    from strijdtaal.safe_json import parse_json, read_text

    if not path.is_file():
        raise BundleError(f"{path.parent.parent} is not signed ({FILE} is missing). Ask for a signed bundle.")
    text = read_text(path, MAX_SIGNATURE)
    try:
        document = parse_json(text)
        hint = document["verificationMaterial"]["publicKey"]["hint"]
        statement = parse_json(base64.b64decode(document["dsseEnvelope"]["payload"], validate=True).decode("utf-8"))
        how, listed = statement["predicate"]["serialization"], statement["predicate"]["resources"]
        if not all(isinstance(entry[field], str) for entry in listed for field in ("name", "digest")):
            raise TypeError("a file without name or digest")
        if not isinstance(hint, str) or how != _SERIALIZATION:
            raise ValueError("it was made in another way, or leaves files out")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(f"{path} is no signature as 'sign' makes it ({error!r}). Sign the bundle again.") from error
    return text.encode("utf-8"), statement


def _difference(bundle: Path, statement: dict[str, Any]) -> str:
    """The first file that is not as it was signed."""
    signed = {str(entry["name"]): str(entry["digest"]) for entry in statement["predicate"]["resources"]}
    found = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()} - {FILE}
    for name in sorted(found - set(signed)):
        return f"{bundle / name} was not signed. Remove it, or restore the bundle."
    for name in sorted(set(signed) - found):
        return f"{bundle / name} is missing; it was signed. Restore the bundle from its source."
    for name, digest in sorted(signed.items()):
        if sha256_of(bundle / name) != digest:
            return f"{bundle / name} was changed after it was signed. Restore the bundle from its source."
    return f"{bundle} is not what was signed. Restore it from its source."


def verify_signature(bundle: Path, public_key: Path) -> int:
    """Check that the holder of a key signed exactly the files of a bundle; returns their number.

    Call it before anything else reads the bundle. It reads no file of the bundle but as bytes, apart from the
    signature itself.

    Raises:
        UsageError: the key file is none, or the extra ``sign`` is not installed.
        BundleError: no signature, another key's, a damaged one, or a file that was changed, added, removed or is a
            link; the message names it.
    """
    hashing = _hashing()
    raw_key = _key_bytes(public_key)
    _check_public_key(raw_key, public_key)
    if not bundle.is_dir():
        raise BundleError(f"{bundle} is not a folder. Check the path.")
    _check_alone(bundle)
    raw, statement = _payload(bundle / FILE)
    from cryptography.exceptions import InvalidSignature
    from model_signing import verifying

    # What is checked here is what was read above, also if somebody writes to the folder meanwhile.
    with tempfile.TemporaryDirectory() as work:
        key, signature = Path(work) / "public.pem", Path(work) / "model.sig"
        key.write_bytes(raw_key)
        signature.write_bytes(raw)
        config: Any = verifying.Config()  # type: ignore[no-untyped-call]
        config.set_hashing_config(hashing)
        config.use_elliptic_key_verifier(public_key=key)
        try:
            config.verify(bundle, signature)
        except InvalidSignature as error:
            raise BundleError(
                f"{bundle / FILE} is not valid under {public_key}: it was altered, or made with another key."
            ) from error
        except Exception as error:  # model-signing raises what its libraries raise
            if "Key mismatch" in str(error):
                raise BundleError(
                    f"{bundle} was signed with another key than {public_key}. Check whom the bundle comes from."
                ) from error
            if "Signature mismatch" in str(error):
                raise BundleError(_difference(bundle, statement)) from error
            raise BundleError(f"{bundle / FILE} is no valid signature: {str(error)[:300]}.") from error
    return len(statement["predicate"]["resources"])
