from __future__ import annotations

import pytest

from ext_authz.redis.place import Place
from ext_authz.redis.url import RedisUrl
from tollkeeper.runtime.errors import OperatorError

# What is given, then: form, places, service, user, password, database.
GOOD = [
    ("redis://h", "single", [("h", 6379)], "", None, None, None),
    ("redis://h:1/2", "single", [("h", 1)], "", None, None, 2),
    ("redis://:p%40ss@[::1]:1", "single", [("::1", 1)], "", None, "p@ss", None),
    ("rediss://u:p@h:1/0", "single", [("h", 1)], "", "u", "p", 0),
    ("unix://u:p@/run/r.sock?db=3", "single", [("/run/r.sock", 0)], "", "u", "p", 3),
    ("redis+sentinel://h/tolls", "sentinel", [("h", 26379)], "tolls", None, None, 0),
    (
        "redis+sentinel://u:p@a:1,[::1]:2,c/tolls/4",
        "sentinel",
        [("a", 1), ("::1", 2), ("c", 26379)],
        "tolls",
        "u",
        "p",
        4,
    ),
    ("redis+cluster://a:1,b", "cluster", [("a", 1), ("b", 6379)], "", None, None, None),
    ("rediss+cluster://u:p@a:1/0", "cluster", [("a", 1)], "", "u", "p", None),
]


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case[0])
def test_what_a_url_says(case: tuple[object, ...]) -> None:
    text, form, places, service, user, password, database = case
    url = RedisUrl.parse(str(text))
    assert (url.form, list(url.places), url.service) == (form, places, service)
    options = url.options
    assert (options.get("username"), options.get("password")) == (user, password)
    assert options.get("db") == database
    assert (url.tls is not None) == str(text).startswith("rediss")


def test_sentinels_have_a_password_of_their_own() -> None:
    url = RedisUrl.parse(
        "redis+sentinel://u:p@h/tolls?sentinel_username=watch&sentinel_password=dog"
    )
    assert url.sentinel_options == {"username": "watch", "password": "dog"}
    assert "sentinel_password" not in url.options
    assert "dog" not in repr(url)
    assert "'p'" not in repr(url)


BAD = [
    ("http://h", "redis"),
    ("redis+galaxy://h", "none of redis"),
    ("http+cluster://h", "neither redis nor rediss"),
    ("redis://h/zero", "the database is a number"),
    ("redis://h:port", "[Pp]ort"),
    ("unix://", "path of a socket"),
    ("redis+sentinel://h", "needs the service's name"),
    ("redis+sentinel://h/tolls/zero", "the database is a number"),
    ("redis+sentinel:///tolls", "needs host:port"),
    ("redis+cluster://", "needs host:port"),
    ("redis+cluster://a:1,,b", "needs host:port"),
    ("redis+cluster://a:1/1", "no database but 0"),
    ("redis+cluster://a:1?db=1", "no database but 0"),
    ("rediss://h?ssl_ca_certs=/nowhere.pem", "[Nn]o such file"),
]


@pytest.mark.parametrize(("text", "says"), BAD, ids=[case[0] for case in BAD])
def test_a_wrong_url_is_one_clear_line(text: str, says: str) -> None:
    with pytest.raises(OperatorError, match=says) as caught:
        RedisUrl.parse(text.replace("://", "://user:hidden@", 1))
    assert str(caught.value).startswith("TOLLKEEPER_REDIS_URL: ")
    assert "hidden" not in str(caught.value)


def test_places_are_written_as_people_write_them() -> None:
    places = [Place("h", 1), Place("::1", 1), Place("/run/r.sock", 0)]
    assert [str(place) for place in places] == ["h:1", "[::1]:1", "/run/r.sock"]
