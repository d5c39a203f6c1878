"""An object storage that speaks S3: which errors are its own, and what to do about what it says."""

import re

from facesent.core import certificates

SCHEME = "s3://"
INSTALL = "Install what speaks to it: pip install -e '.[s3]'"

_CERTIFICATE = "ssl validation failed"
# Of what was asked: long, and told by nobody.
_QUERY = re.compile(r"(://[^\s\"'?]+)\?[^\s\"']*")
_PACKAGES = ("boto3", "botocore", "s3transfer")
_KEY = (
    "Correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile that has them. If the store is not Amazon's, "
    "name its address: MLFLOW_S3_ENDPOINT_URL for MLflow, AWS_ENDPOINT_URL_S3 for all, endpointurl of DVC's remote."
)
_NEW_TOKEN = "Get new credentials, for instance: aws sso login"  # noqa: S105  (no password)
_NO_CREDENTIALS = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
_NO_BUCKET = "Make the bucket, or correct its name."
_NOT_ALLOWED = "Ask for the permission to list, read and write there."
_AWAY = "Check its address and the network, then run this again."
# What the text of an error has, in small letters, and what to do. The first one counts.
_ADVICE = {
    "no module named 'boto3'": INSTALL,
    "no module named 's3fs'": INSTALL,
    "unable to locate credentials": _NO_CREDENTIALS,
    "partial credentials": _NO_CREDENTIALS,
    "config profile": _NO_CREDENTIALS,
    "access key id you provided": _KEY,
    "signature we calculated": _KEY,
    "token has expired": _NEW_TOKEN,
    "token included in the request is expired": _NEW_TOKEN,
    "expiredtoken": _NEW_TOKEN,
    "sso session": _NEW_TOKEN,
    "sso token": _NEW_TOKEN,
    "bucket does not exist": _NO_BUCKET,
    "invalid bucket name": _NO_BUCKET,
    "could not connect to the endpoint": _AWAY,
    "timeout on endpoint": _AWAY,
    "connection was closed before": _AWAY,
    "accessdenied": _NOT_ALLOWED,
    "access denied": _NOT_ALLOWED,
    "(403)": _NOT_ALLOWED,
    "forbidden": f"{_NOT_ALLOWED} It also says so of a wrong key.",
}


def is_own(error: BaseException) -> bool:
    """Whether the storage, or what speaks to it, raised an error; also that this is not installed."""
    package = type(error).__module__.partition(".")[0]
    return package in _PACKAGES or (isinstance(error, ModuleNotFoundError) and error.name in _PACKAGES)


def in_words(error: BaseException) -> str:
    """What an error says, without the query of what was asked."""
    return _QUERY.sub(r"\1", str(error))


def certificate_advice(said: str) -> str:
    """What to do about a certificate of the storage that was refused; empty where ``said`` tells of none."""
    if _CERTIFICATE not in said.lower():
        return ""
    return certificates.advice_for(said, "AWS_CA_BUNDLE") or "Correct AWS_CA_BUNDLE, or unset it."


def advice_for(said: str) -> str:
    """What to do about what the storage said; empty where that is not known."""
    if advice := certificate_advice(said):
        return advice
    return next((advice for sign, advice in _ADVICE.items() if sign in said.lower()), "")
