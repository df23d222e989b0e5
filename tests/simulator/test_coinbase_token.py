"""Tokens: those of other people's clients are taken at their time, and one wrong thing refuses any of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.coinbase_world import ALICE, BOB, PREFIX, VECTORS, account, public_pem, running, signed, token
from tests.simulator.world import START_NS, ManualClock
from ztb.core.error import UsageError
from ztb.simulator.coinbase.rules import CoinbaseRules
from ztb.simulator.coinbase.token import BadToken, Tokens

NOW_S = START_NS // 1_000_000_000
URI = "GET api.coinbase.com/api/v3/brokerage/accounts"
PATH = "/api/v3/brokerage/accounts"
ES256 = [vector for vector in VECTORS.values() if vector["expected"]["jwt_header"]["alg"] == "ES256"]


def tokens(rules: CoinbaseRules | None = None) -> Tokens:
    return Tokens({ALICE: public_pem(ALICE), BOB: public_pem(BOB)}, rules or CoinbaseRules())


def owner(given: str, *, now_s: int = NOW_S, host: str = "127.0.0.1:1", rules: CoinbaseRules | None = None) -> str:
    return tokens(rules).owner_of_request(given, method="GET", path=PATH, host=host, now_s=now_s)


@pytest.mark.parametrize("vector", ES256, ids=[vector["id"] for vector in ES256])
def test_tokens_of_other_clients_are_taken_at_their_time(vector: dict[str, Any]) -> None:
    """Signed by the venue's own client and by ccxt, in the past; nothing of them was made here."""
    claims, now_s = vector["expected"]["jwt_claims"], vector["input"]["now"]
    known = Tokens({claims["sub"]: vector["input"]["public_key_pem"]}, CoinbaseRules())
    given = vector["expected"]["jwt"]
    if "uri" not in claims:
        assert known.owner_of_subscription(given, now_s=now_s) == claims["sub"]
        return
    method, _, target = claims["uri"].partition(" ")
    host, _, path = target.partition("/")
    ask = {"method": method, "path": f"/{path}", "host": host}
    assert known.owner_of_request(given, now_s=now_s, **ask) == claims["sub"]
    assert known.owner_of_request(given, now_s=claims["exp"], **ask) == claims["sub"]
    for late_s in (claims["nbf"] - 1, claims["exp"] + 1):
        with pytest.raises(BadToken):
            known.owner_of_request(given, now_s=late_s, **ask)
    with pytest.raises(BadToken):
        known.owner_of_subscription(given, now_s=now_s)


def test_an_eddsa_token_is_refused() -> None:
    vector = VECTORS["coinbase.sdk.rest_jwt_eddsa"]
    with pytest.raises(BadToken, match="EdDSA"):
        owner(vector["expected"]["jwt"], now_s=vector["input"]["now"])


def test_both_hosts_and_both_forms_of_claims() -> None:
    assert owner(token(NOW_S, uri=URI)) == ALICE
    assert owner(token(NOW_S, key=BOB, uri=URI)) == BOB
    own = "GET 127.0.0.1:1/api/v3/brokerage/accounts"
    assert owner(token(NOW_S, uri=own)) == ALICE
    older = token(NOW_S, uri=URI, iss="coinbase-cloud", aud=["retail_rest_api_proxy"], iat=NOW_S)
    assert owner(older) == ALICE
    assert owner(token(NOW_S, uri=URI, aud="retail_rest_api_proxy")) == ALICE


WRONG: dict[str, Callable[[], str]] = {
    "another host": lambda: token(NOW_S, uri="GET evil.example/api/v3/brokerage/accounts"),
    "another method": lambda: token(NOW_S, uri=URI.replace("GET", "POST")),
    "another path": lambda: token(NOW_S, uri=f"{URI}/x"),
    "with a query": lambda: token(NOW_S, uri=f"{URI}?limit=1"),
    "no uri": lambda: token(NOW_S),
    "not yet": lambda: token(NOW_S + 1, uri=URI),
    "over": lambda: token(NOW_S - 121, uri=URI),
    "lives too long": lambda: token(NOW_S, uri=URI, exp=NOW_S + 121),
    "ends before it begins": lambda: token(NOW_S, uri=URI, exp=NOW_S),
    "nbf as text": lambda: token(NOW_S, uri=URI, nbf=str(NOW_S)),
    "exp as a float": lambda: token(NOW_S, uri=URI, exp=NOW_S + 60.0),
    "no exp": lambda: token(NOW_S, uri=URI, exp=None),
    "nbf as truth": lambda: token(NOW_S, uri=URI, nbf=True),
    "another issuer": lambda: token(NOW_S, uri=URI, iss="me"),
    "another audience": lambda: token(NOW_S, uri=URI, aud=["another"]),
    "another subject": lambda: token(NOW_S, uri=URI, sub=BOB),
    "unknown key": lambda: signed({"alg": "ES256", "kid": "nobody"}, {"sub": "nobody"}),
    "kid is no text": lambda: signed({"alg": "ES256", "kid": ["x"]}, {"sub": ["x"]}),
    "signed by another": lambda: signed(
        {"alg": "ES256", "kid": ALICE}, {"sub": ALICE, "iss": "cdp", "nbf": NOW_S, "exp": NOW_S + 1, "uri": URI},
        key=BOB,
    ),
    "no algorithm": lambda: token(NOW_S, uri=URI).replace(
        token(NOW_S).split(".")[0], "eyJhbGciOiJub25lIn0"
    ).rpartition(".")[0] + ".",
    "header no object": lambda: signed([], {"sub": ALICE}),
    "claims no object": lambda: signed({"alg": "ES256", "kid": ALICE}, "claims"),
    "two parts": lambda: token(NOW_S, uri=URI).rpartition(".")[0],
    "four parts": lambda: token(NOW_S, uri=URI) + ".x",
    "padding": lambda: token(NOW_S, uri=URI) + "==",
    "short signature": lambda: token(NOW_S, uri=URI)[:-8],
    "too long": lambda: token(NOW_S, uri=URI, more="x" * 10_000),
    "nothing": lambda: "",
    "no base64": lambda: "a.b.c",
    "letters of another script": lambda: "ａ.ｂ.ｃ",
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_one_wrong_thing_refuses(what: str) -> None:
    with pytest.raises(BadToken):
        owner(WRONG[what]())


def test_a_changed_claim_breaks_the_signature() -> None:
    head, claims, signature = token(NOW_S, uri=URI).split(".")
    other = token(NOW_S, uri=URI.replace("accounts", "orders")).split(".")[1]
    with pytest.raises(BadToken, match="signature"):
        tokens().owner_of_request(
            f"{head}.{other}.{signature}", method="GET", path="/api/v3/brokerage/orders", host="x", now_s=NOW_S
        )
    assert claims != other


@given(place=st.integers(0, 400), letter=st.sampled_from("ABxyz019-_"))
def test_no_letter_of_a_token_can_be_changed(place: int, letter: str) -> None:
    """The last letter of a base64 text carries bits that nobody reads, so only what it says must stay."""
    given = token(NOW_S, uri=URI)
    place %= len(given)
    if given[place] in (".", letter) or place == len(given) - 1:
        return
    with pytest.raises(BadToken):
        owner(given[:place] + letter + given[place + 1 :])


@given(st.text(max_size=60))
def test_any_text_is_refused_without_a_fuss(text: str) -> None:
    with pytest.raises(BadToken):
        owner(text)


def test_leeway_and_life_are_settings() -> None:
    assert owner(token(NOW_S + 5, uri=URI), rules=CoinbaseRules(token_leeway_s=5)) == ALICE
    assert owner(token(NOW_S, uri=URI, exp=NOW_S + 300), rules=CoinbaseRules(token_life_s_max=300)) == ALICE


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        ec.derive_private_key(7, ec.SECP384R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode(),
        ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode(),
    ],
)
def test_an_account_needs_a_p256_key(pem: str) -> None:
    with pytest.raises(UsageError, match="public_key_pem") as refused:
        Tokens({ALICE: pem}, CoinbaseRules())
    assert "BEGIN PUBLIC KEY" in refused.value.remedy


def test_over_a_socket_every_private_path_wants_a_token() -> None:
    async def scenario() -> None:
        async with running() as world:
            for method, path in (
                ("GET", "/accounts"), ("GET", "/orders/historical/batch"), ("POST", "/orders"), ("GET", "/products"),
                ("GET", "/key_permissions"), ("POST", "/orders/batch_cancel"), ("GET", "/transaction_summary"),
            ):  # fmt: skip
                for headers in ({}, {"authorization": "Basic eA=="}, {"authorization": "Bearer x"}):
                    answer = await world.client().raw(method, path, headers=headers)
                    assert answer.status_code == 401
                    assert answer.json()["error"] == "unauthorized"
            assert not world.record.calls
            assert (await world.client().get("/key_permissions"))["can_trade"] is True

    asyncio.run(scenario())


def test_a_token_is_for_one_request_and_two_minutes() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with running(clock=clock) as world:
            client = world.client()
            uri = f"GET 127.0.0.1:{world.port}{PREFIX}/accounts"
            headers = {"authorization": f"Bearer {token(world.now_s, uri=uri)}"}
            assert (await client.raw("GET", "/accounts", headers=headers)).status_code == 200
            with_query = await client.raw("GET", "/accounts", params={"limit": "1"}, headers=headers)
            assert with_query.status_code == 200
            assert (await client.raw("GET", "/products", headers=headers)).status_code == 401
            clock.pass_seconds(120)
            assert (await client.raw("GET", "/accounts", headers=headers)).status_code == 200
            clock.pass_seconds(1)
            assert (await client.raw("GET", "/accounts", headers=headers)).status_code == 401

    asyncio.run(scenario())


def test_rights_are_those_of_the_account() -> None:
    async def scenario() -> None:
        looker = account(ALICE, rights=("info",))
        blind = account(BOB, rights=("trade",))
        async with running(accounts=(looker, blind)) as world:
            client, other = world.client(ALICE), world.client(BOB)
            body = {"order_ids": ["x"]}
            refused = await client.refused("POST", "/orders/batch_cancel", 403, body=body)
            assert refused == {
                "error": "PERMISSION_DENIED",
                "error_details": "Missing required scopes",
                "message": "Missing required scopes",
            }
            raw = await client.raw("POST", "/orders", body={})
            assert '"error_details":"Missing required scopes"' in raw.text
            assert (await client.get("/key_permissions")) | {"portfolio_uuid": ""} == {
                "can_view": True, "can_trade": False, "can_transfer": False, "portfolio_uuid": "",
                "portfolio_type": "DEFAULT",
            }  # fmt: skip
            await other.refused("GET", "/accounts", 403)
            assert (await other.get("/key_permissions"))["can_view"] is False
            assert [call.result for call in world.record.calls] == ["Missing required scopes"] * 2

    asyncio.run(scenario())
