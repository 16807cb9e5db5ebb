"""The Cookie header of the second sending of a request, whose first response was a 401 that may have set cookies."""

from __future__ import annotations

from collections.abc import Iterable
from http.cookiejar import CookieJar
from typing import Optional
from urllib.request import Request


def second_cookies(url: str, first: Optional[str], set_cookies: Iterable[str], jar: CookieJar) -> Optional[str]:
    """What the first Cookie header becomes.

    A client adds its cookies before it calls an auth, which must add those of the 401 itself. `set_cookies` are the
    Set-Cookie headers of the 401, and `jar` has what they set. A cookie that they replace or end is not sent again.
    """
    request = Request(url)
    jar.add_cookie_header(request)
    names = {cookie.partition("=")[0].strip() for cookie in set_cookies}
    kept = [pair for pair in map(str.strip, (first or "").split(";")) if pair and pair.partition("=")[0] not in names]
    return "; ".join([*kept, *filter(None, [request.get_header("Cookie")])]) or None
