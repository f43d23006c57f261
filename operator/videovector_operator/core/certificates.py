"""Certificates that users bring: a CA bundle is read strictly, so that a broken one is told at once. Pure.

The operator reads it by the API, workers from a mount; both go this way.
"""

from __future__ import annotations

import re
import ssl

from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.errors import Stalled

_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_CERTIFICATE = re.compile(r"-----BEGIN (X509 )?CERTIFICATE-----[A-Za-z0-9+/=\s]*+-----END (X509 )?CERTIFICATE-----")


def read_ca_bundle(text: str, *, where: str) -> str:
    """Take the PEM certificates out of ``text``; what stands between them (comments, in any script) is left out.

    ``where`` names the bundle in messages, which never repeat its content. Raises Stalled (CABundleInvalid) when there is
    none, or one that cannot be read.
    """
    begins = list(_BEGIN.finditer(text))
    starts = [begin.start() for begin in begins if begin.group(1).endswith("CERTIFICATE")]
    if not starts:
        what = f"no certificate, but a {begins[0].group(1).lower()}" if begins else "no PEM certificate"
        raise _refuse(where, f"holds {what}: put the certificates of the authorities to trust there, in PEM form")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    certificates = []
    for number, start in enumerate(starts, start=1):
        found = _CERTIFICATE.match(text, start)
        if found is None or not _can_be_loaded(context, found.group()):
            which = f"certificate {number} of {len(starts)}" if len(starts) > 1 else "its certificate"
            raise _refuse(where, f"cannot be used: {which} cannot be read; copy it again, with whole lines")
        certificates.append(found.group())
    return "\n".join(certificates) + "\n"


def _can_be_loaded(context: ssl.SSLContext, certificate: str) -> bool:
    try:
        context.load_verify_locations(cadata=certificate)
    except (ssl.SSLError, ValueError):
        return False
    return True


def _refuse(where: str, problem: str) -> Stalled:
    return Stalled(Reason.CA_BUNDLE_INVALID, f"{where} {problem}")
