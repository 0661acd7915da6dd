"""What TOLLKEEPER_REDIS_URL says.

| form | means |
| --- | --- |
| `redis://[user:password@]host:port/db` | one server |
| `unix://[user:password@]/path?db=0` | one server, by its socket |
| `redis+sentinel://[user:password@]host:port,host:port/service/db` | the master by Sentinel |
| `redis+cluster://[user:password@]host:port,host:port` | a Redis Cluster; any nodes of it |

With `rediss` in place of `redis` every connection uses TLS; its options are those of redis-py:
`?ssl_ca_certs=…&ssl_certfile=…&ssl_keyfile=…`. User and password are those of Redis; Sentinels that
ask for some have their own: `?sentinel_username=…&sentinel_password=…`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, cast
from urllib.parse import SplitResult, urlsplit

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ext_authz.redis.place import Place
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    import ssl

Form = Literal["single", "sentinel", "cluster"]
_REDIS_PORT, _SENTINEL_PORT = 6379, 26379


@dataclass(frozen=True)
class RedisUrl:
    form: Form
    places: tuple[Place, ...]
    """The server; the Sentinels; or nodes of the Cluster to begin with."""
    service: str = ""
    """How Sentinels call the master."""
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    """For a connection of redis-py, without its place."""
    sentinel_options: dict[str, Any] = field(default_factory=dict, repr=False)
    """The same, for one to a Sentinel."""
    tls: ssl.SSLContext | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises OperatorError, which never tells the password."""
        try:
            return cls._parse(text)
        except (ValueError, OSError, RedisError) as error:
            raise OperatorError(f"TOLLKEEPER_REDIS_URL: {error}") from error

    @classmethod
    def _parse(cls, text: str) -> Self:
        parts = urlsplit(text)
        scheme, _, form = parts.scheme.partition("+")
        if not form:
            return cls._single(text, parts)
        if form == "sentinel":
            return cls._sentinel(scheme, parts)
        if form == "cluster":
            return cls._cluster(scheme, parts)
        raise ValueError(f"{parts.scheme}:// is none of redis, rediss, unix, …+sentinel, …+cluster")

    @classmethod
    def _single(cls, text: str, parts: SplitResult) -> Self:
        options = cast("dict[str, Any]", parse_url(text))
        if parts.scheme != "unix":
            _database(parts.path)
            place = Place(options.pop("host", "localhost"), options.pop("port", _REDIS_PORT))
        elif "path" in options:
            place = Place(options.pop("path"), 0)
        else:
            raise ValueError("unix:// needs the path of a socket")
        return cls("single", (place,), options=options, tls=_tls(options))

    @classmethod
    def _sentinel(cls, scheme: str, parts: SplitResult) -> Self:
        service, _, database = parts.path.strip("/").partition("/")
        if not service:
            raise ValueError("…+sentinel:// needs the service's name: host:port,host:port/name/0")
        options = _options(scheme, parts)
        options["db"] = _database(database)
        sentinels = {name: value for name, value in options.items() if name.startswith("ssl_")}
        for name in ("username", "password"):
            if value := options.pop(f"sentinel_{name}", None):
                sentinels[name] = value
        if "connection_class" in options:
            sentinels["connection_class"] = options["connection_class"]
        places = _places(parts, _SENTINEL_PORT)
        return cls("sentinel", places, service, options, sentinels, _tls(options))

    @classmethod
    def _cluster(cls, scheme: str, parts: SplitResult) -> Self:
        options = _options(scheme, parts)
        if _database(parts.path) or options.get("db"):
            raise ValueError("a Redis Cluster has no database but 0")
        return cls("cluster", _places(parts, _REDIS_PORT), options=options, tls=_tls(options))

    @property
    def where(self) -> str:
        """For people: without user and password."""
        return ", ".join(str(place) for place in self.places)

    def client(self, place: Place, **wishes: Any) -> Redis:
        """A client of redis-py, for all that is not done for each check."""
        return _client(self.options, place, wishes)

    def sentinel_client(self, place: Place, **wishes: Any) -> Redis:
        return _client(self.sentinel_options, place, wishes)


def _client(options: dict[str, Any], place: Place, wishes: dict[str, Any]) -> Redis:
    # The library's default repeats a command whose answer was lost, and hides a lost connection.
    once = Retry(NoBackoff(), 0)
    return Redis.from_pool(
        ConnectionPool(**{**options, **place.as_options(), "retry": once, **wishes})
    )


def _options(scheme: str, parts: SplitResult) -> dict[str, Any]:
    """What redis-py makes of scheme, user, password and query."""
    if scheme not in ("redis", "rediss"):
        raise ValueError(f"{parts.scheme}:// begins with neither redis nor rediss")
    user, at, _ = parts.netloc.rpartition("@")
    return cast("dict[str, Any]", parse_url(f"{scheme}://{user}{at}?{parts.query}"))


def _places(parts: SplitResult, port: int) -> tuple[Place, ...]:
    hosts = [urlsplit(f"//{host}") for host in parts.netloc.rpartition("@")[2].split(",")]
    if not all(host.hostname for host in hosts):
        raise ValueError(f"{parts.scheme}:// needs host:port, more of them after commas")
    return tuple(Place(str(host.hostname), host.port or port) for host in hosts)


def _database(path: str) -> int:
    text = path.strip("/")
    if text and not text.isdecimal():
        raise ValueError(f"the database is a number, not {text!r}")
    return int(text or 0)


def _tls(options: dict[str, Any]) -> ssl.SSLContext | None:
    """The context that redis-py would use."""
    if options.get("connection_class") is not SSLConnection:
        return None
    wishes = {name: value for name, value in options.items() if name.startswith("ssl_")}
    return SSLConnection(**wishes).ssl_context.get()
