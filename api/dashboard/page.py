"""The document of the dashboard, and what it may load."""

import base64
import hashlib
import json
from dataclasses import dataclass
from html import escape

from api.bootstrap.environment import Environment
from api.dashboard.files import Web

_POLICY = (
    "default-src 'none'; script-src 'self' 'sha256-{import_map}'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Nothing inline but the import map, which browsers take from nowhere else: its hash is named."""


@dataclass(frozen=True)
class Document:
    """The page, ready to be sent.

    Attributes:
        html: what it holds.
        policy: its Content-Security-Policy.
        etag: changes whenever it does.
    """

    html: bytes
    policy: str
    etag: str


def document(web: Web, environment: Environment) -> Document:
    """Return the page of these files, for a service of this name.

    Addresses in it are relative, so that it also works where a proxy puts the service below a path.
    """
    base = f"dashboard/{web.build}"
    addresses: dict[str, str] = {}
    for name, file in web.imports.items():
        addresses[name] = f"./{base}/{file}"
    import_map = json.dumps({"imports": addresses})
    html = (
        web.page.replace("{{base}}", base)
        .replace("{{import_map}}", import_map)
        .replace("{{environment_name}}", escape(environment.name))
        .replace("{{environment_colour}}", environment.colour)
    )
    body = html.encode()
    etag = hashlib.sha256(body).hexdigest()[:32]
    policy = _POLICY.format(import_map=_sha256(import_map))
    return Document(body, policy, f'"{etag}"')


def _sha256(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.b64encode(digest).decode()
