"""Who may connect to the server as a game: the policy's name, the token, and no web page of another site; pure."""

import hmac
import ipaddress
import re
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

MODEL_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def refusal(
    model_id: str,
    *,
    names: Collection[str | None],
    given_token: str,
    token: str | None,
    origins: Sequence[str] = (),
    address: str = "",
) -> str | None:
    """Return why a connection is refused, in words; None: it is not.

    Args:
        model_id: the policy that it names.
        names: that seats ask for; None among them: one takes any.
        given_token: that it brought; empty: none.
        token: that it must bring; None: none.
        origins: its Origin headers. Browsers send one with every WebSocket that a page opens; Roblox sends none.
        address: of this machine, that it connected to.
    """
    foreign = [origin for origin in origins if not is_own_page(origin, address)]
    if foreign:
        return (
            f"a web page of {foreign[0][:100]!r} opened the connection (its Origin header), and only pages of this "
            "machine may. A game sends no such header; for one behind a proxy, have the proxy remove it"
        )
    if not MODEL_ID.fullmatch(model_id) or model_id in (".", ".."):
        return "the name of a policy is 1 to 64 letters, digits, dots, dashes and underscores"
    if token is not None and not hmac.compare_digest(given_token.encode(), token.encode()):
        return "it did not bring the token of this server as ?token=…"
    if names and None not in names and model_id not in names:
        return f"it names the policy {model_id}, and there is {', '.join(sorted(str(name) for name in names))}"
    return None


def is_own_page(origin: str, address: str) -> bool:
    """Whether an Origin is this machine: `localhost`, a loopback address, or the one that was connected to.

    Names that lead here by DNS are not believed: whoever owns a name may let it lead to 127.0.0.1.
    """
    try:
        host = urlsplit(origin).hostname or ""
        return host in ("localhost", address) or ipaddress.ip_address(host).is_loopback
    except ValueError:  # no URL (a page without a site says `null`), or a name
        return False
