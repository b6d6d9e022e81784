# SPDX-License-Identifier: Apache-2.0
"""The broker over HTTP: routes, limits on size, time and rate, and error bodies.

An error body is the protocol's ErrorInformation, {"type", "detail"}; it never says why.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from rktio.owner.broker import SESSION_SECONDS, Broker, DeniedError
from rktio.owner.messages import ATTEST_BYTES_MAX, AUTH_BYTES_MAX, COOKIE

ERRORS = "https://github.com/confidential-containers/kbs/errors/"
KINDS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "ResourceNotFound",
    413: "PayloadTooLarge",
    429: "TooManyRequests",
}
BODY_SECONDS_MAX = 10.0
CLIENTS_MAX = 4096


class RateLimit:
    """A bucket of tokens for each client address: `burst` at once, then `per_second`."""

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admits(self, client: str) -> bool:
        """Take a token of a client; False where it has none left."""
        now = self._clock()
        tokens, since = self._buckets.pop(client, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - since) * self._per_second)
        admitted = tokens >= 1
        self._buckets[client] = (tokens - 1 if admitted else tokens, now)
        if len(self._buckets) > CLIENTS_MAX:
            self._buckets.popitem(last=False)
        return admitted


def service(broker: Broker, limit: RateLimit | None = None) -> FastAPI:
    """Return the ASGI application of a broker."""
    limit = limit or RateLimit(per_second=5, burst=30)
    app = FastAPI(title="rkt-io keys", docs_url=None, redoc_url=None, openapi_url=None)
    _add_handshake(app, broker, limit)
    _add_resources(app, broker, limit)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(DeniedError, _on_denied)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    return app


def _add_handshake(app: FastAPI, broker: Broker, limit: RateLimit) -> None:
    @app.post("/kbs/v0/auth")
    async def auth(request: Request) -> Response:
        client = _admitted(request, limit)
        body = await _body(request, AUTH_BYTES_MAX)
        session, challenge = await run_in_threadpool(broker.challenge, body, client)
        return _with_cookie(JSONResponse(challenge), session)

    @app.post("/kbs/v0/attest")
    async def attest(request: Request) -> Response:
        client = _admitted(request, limit)
        session = request.cookies.get(COOKIE)
        body = await _body(request, ATTEST_BYTES_MAX)
        token = await run_in_threadpool(broker.attest, session, body, client)
        assert session is not None
        return _with_cookie(JSONResponse({"token": token}), session)


def _add_resources(app: FastAPI, broker: Broker, limit: RateLimit) -> None:
    @app.get("/kbs/v0/resource/{repository}/{kind}/{tag}")
    async def resource(request: Request, repository: str, kind: str, tag: str) -> Response:
        client = _admitted(request, limit)
        session = request.cookies.get(COOKIE)
        path = f"{repository}/{kind}/{tag}"
        sealed = await run_in_threadpool(broker.resource, session, path, client)
        return JSONResponse(sealed, headers={"Cache-Control": "no-store"})


def _admitted(request: Request, limit: RateLimit) -> str:
    client = request.client.host if request.client else "unknown"
    if not limit.admits(client):
        raise HTTPException(429, "too many requests; come back in a second")
    return client


async def _body(request: Request, size_max: int) -> bytes:
    """Return a body that is neither too long nor too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for chunk in request.stream():
                body += chunk
                if len(body) > size_max:
                    raise HTTPException(413, f"more than {size_max} bytes")
    except TimeoutError as error:
        raise HTTPException(400, "the body came too slowly") from error
    return bytes(body)


def _with_cookie(response: Response, session: str) -> Response:
    response.set_cookie(
        COOKIE, session, max_age=SESSION_SECONDS, secure=True, httponly=True, samesite="strict"
    )
    return response


async def _on_http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, str(error.detail))


async def _on_denied(_request: Request, error: Exception) -> Response:
    assert isinstance(error, DeniedError)
    entry = "" if error.entry is None else f", entry {error.entry}"
    return _error(error.status, f"denied; the owner's audit log says why{entry}")


async def _on_disconnect(_request: Request, _exception: Exception) -> Response:
    return _error(400, "the client went away")


def _error(status: int, detail: str) -> Response:
    kind = ERRORS + KINDS.get(status, "InternalError")
    return JSONResponse({"type": kind, "detail": detail}, status_code=status)
