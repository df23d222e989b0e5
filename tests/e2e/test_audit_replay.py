"""``ztb audit replay``: real sessions come out again byte for byte; whoever changed the past is found.

The forger of these tests may write to every file and knows the documented hash chain: what he leaves verifies.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw
import pytest
import zstandard

from tests.cli.command import clean_environ, ztb
from tests.e2e.product import BUSY, exchange, records, trader
from tests.store.samples import documented_hash
from ztb.cli.main import parse
from ztb.cli.progress import set_silent
from ztb.core.error import ZtbError
from ztb.core.event import Trade
from ztb.store.chain import Record, genesis
from ztb.store.tape import TapeReader, TapeWriter
from ztb.store.verify import verify


@dataclass(frozen=True)
class Audited:
    """What the command said, and its sessions as data."""

    exit_code: int
    text: str
    sessions: list[dict[str, Any]]
    error: str = ""

    @property
    def differences(self) -> list[dict[str, Any]]:
        """Of the sessions that have one."""
        return [session["difference"] for session in self.sessions if session["difference"] is not None]


def replayed(state_dir: Path, *words: str) -> Audited:
    """``ztb audit replay`` in this process, through its own command line."""
    args = parse(["audit", "replay", "--state-dir", str(state_dir), *words])
    set_silent(True)
    try:
        result = args.handler(args)
    except ZtbError as error:
        return Audited(error.exit_code, "", [], str(error))
    return Audited(result.exit_code, result.text, json.loads(json.dumps(result.data["sessions"])))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of three sessions: killed by SIGKILL, latched and resumed, stopped in order."""
    base = tmp_path_factory.mktemp("audit")
    with exchange(base / "exchange") as venue:
        words = (*venue.words(), *BUSY, "--set", "state.checkpoint_seconds=60")
        with trader(base / "t", *words) as first:
            first.wait_orders(3)
            first.kill()
        with trader(base / "t", *words) as second:
            second.wait_orders(2)
            assert ztb("kill", "--reason", "drill", *second.places).exit_code == 0
            decided = second.status()["meter"]["signals"]
            second.wait(lambda: second.status()["meter"]["signals"] >= decided + 2, "refused signals")
            assert ztb("resume", "--reason", "over", *second.places).exit_code == 0
            chosen = ("risk", "profile", "configured", "--reason", "over", *second.places)
            assert ztb(*chosen).exit_code == 0
            placed = second.status()["meter"]["orders_placed"]
            second.wait_orders(placed + 2)
            assert second.stop() == 0
        with trader(base / "t", *words) as third:
            third.wait_orders(2)
            state_dir = third.state_dir
            assert third.stop() == 0
    return state_dir


@pytest.fixture
def copy(story: Path, tmp_path: Path) -> Path:
    """A state directory to forge."""
    return Path(shutil.copytree(story, tmp_path / "copy"))


def session_of(records_: list[Record], number: int) -> list[Record]:
    """From one session record to the next."""
    begins = [index for index, record in enumerate(records_) if record.kind == "session"]
    return records_[begins[number - 1] : (*begins[number:], len(records_))[0]]


# --- the truth ------------------------------------------------------------------------------------------------------


def test_every_session_comes_out_again(story: Path) -> None:
    audited = replayed(story)
    whole = records(story)
    for number, session in enumerate(audited.sessions, 1):
        own = session_of(whole, number)
        kinds = Counter(record.kind for record in own)
        rows = sum(len(json.loads(record.body)) for record in own if record.kind == "decisions")
        assert session["session"] == number
        assert session["difference"] is None, audited.text
        assert session["problem"] == ""
        assert session["commands"] > 0
        recorded = rows + sum(kinds[kind] for kind in COMMAND_KINDS)
        assert session["commands"] + session["decisions"] + session["left_over"] == recorded
    # The first one lost the end of its tape with its process: what was decided after that cannot be compared.
    first, *others = audited.sessions
    assert "its tape has no end" in "\n".join(first["notes"])
    assert audited.exit_code == (3 if first["left_over"] else 0)
    for session in others:
        assert session["proven"] is True
        assert session["left_over"] == session["checkpoints_unchecked"] == session["checkpoints_bad"] == 0
        assert session["checkpoints"] > 0
        own = session_of(whole, session["session"])
        tape = story / "tapes" / json.loads(own[0].body)["tape"]
        timers = sum(len(json.loads(record.body)) for record in own if record.kind == "timers")
        assert session["events"] == (
            TapeReader(tape).counts.total + timers + sum(record.kind in EVENT_KINDS for record in own)
        )


COMMAND_KINDS = ("place", "cancel", "look_up", "notify", "tripped", "cleared", "balance")
EVENT_KINDS = {
    "started", "reconciled", "feed", "order_durable", "order_sent", "order_accepted", "order_filled", "order_rejected",
    "order_cancelled", "order_unknown", "order_not_placed", "order_settled", "cancel_failed", "kill", "resume", "stop",
    "clock_measured", "breaker_turned", "api_health", "broker_read", "wallet_measured", "pause", "lift_pause",
    "choose_profile", "flatten",
}  # fmt: skip


@pytest.mark.parametrize("seed", ["0", "77"])
def test_the_real_command_whatever_the_order_of_hashes(story: Path, seed: str) -> None:
    words = ("audit", "replay", "--state-dir", story, "--session", "3")
    outcome = ztb(*words, environ=clean_environ(PYTHONHASHSEED=seed))
    assert outcome.exit_code == 0, outcome.stdout
    assert outcome.stdout.endswith("1 of 1 sessions came out again, byte for byte\n")
    document = json.loads(ztb(*words, "--json", environ=clean_environ(PYTHONHASHSEED=seed)).stdout)
    assert document["success"] is True
    assert document["data"]["sessions"] == replayed(story, "--session", "3").sessions


def test_one_session_alone(story: Path) -> None:
    audited = replayed(story, "--session", "2")
    assert audited.exit_code == 0, audited.text
    assert [session["session"] for session in audited.sessions] == [2]
    wrong = replayed(story, "--session", "4")
    assert wrong.exit_code == 2
    assert "there is no session 4" in wrong.error
    assert "sessions 1 to 3" in wrong.error


def test_nothing_is_written(copy: Path) -> None:
    before = {path.name: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    replayed(copy)
    after = {path.name: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert {name: body for name, body in after.items() if not name.endswith(("-shm", "-wal"))} == {
        name: body for name, body in before.items() if not name.endswith(("-shm", "-wal"))
    }


def test_beside_a_trader_that_runs(tmp_path: Path) -> None:
    with trader(tmp_path / "t", *BUSY) as running:
        running.wait_orders(2)
        audited = replayed(running.state_dir)
        [session] = audited.sessions
        assert session["difference"] is None, audited.text
        assert session["problem"] == ""
        assert session["commands"] >= 2
        assert audited.exit_code == (3 if session["left_over"] else 0)
        assert running.process.poll() is None


def test_signals_without_orders_can_be_audited_too(tmp_path: Path) -> None:
    """Live-lite: there is no account, and every decision is refused."""
    with trader(tmp_path / "t", *BUSY, "--observe") as observing:
        observing.wait(lambda: observing.status()["meter"]["signals"] >= 3, "signals")
        state_dir = observing.state_dir
        assert observing.stop() == 0
    audited = replayed(state_dir)
    assert audited.exit_code == 0, audited.text
    assert audited.sessions[0]["decisions"] >= 3
    assert records(state_dir, "place") == []


# --- the forger -----------------------------------------------------------------------------------------------------

Forge = Callable[[Record], bytes | None]
"""Gives the body that shall stand there; None takes the record away."""


def rows_of(connection: apsw.Connection, query: str) -> list[Any]:
    """All rows of a query."""
    return connection.execute(query).fetchall()


def opened(state_dir: Path) -> apsw.Connection:
    """The journal without what guards it."""
    connection = apsw.Connection(str(state_dir / "journal.db"))
    for trigger in ("journal_keeps_content", "journal_keeps_records"):
        connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    return connection


def forge(state_dir: Path, change: Forge) -> list[int]:
    """Change records and compute the whole chain and the checkpoints anew; the old seqs that were changed."""
    whole = records(state_dir)
    connection = opened(state_dir)
    [(install, profile, mode)] = rows_of(connection, "SELECT install, profile, mode FROM identity")
    link, seq = genesis(install, profile, mode), 0
    changed: list[int] = []
    moved: dict[int, int] = {0: 0}
    connection.execute("DELETE FROM journal")
    for record in whole:
        body = change(record)
        if body != record.body:
            changed.append(record.seq)
        if body is not None:
            seq += 1
            link = documented_hash(link, seq, (record.ts_ns, record.kind, body))
            row = (seq, record.ts_ns, record.kind, body, link)
            connection.execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?)", row)
        moved[record.seq] = seq
    connection.execute("UPDATE head SET seq = ?, hash = ?", (seq, link))
    for id_, old_seq, ts_ns, packed in rows_of(connection, "SELECT id, seq, ts_ns, body FROM checkpoint"):
        bind_checkpoint(connection, id_, moved[old_seq], ts_ns, packed)
    connection.close()
    assert verify(state_dir / "journal.db").ok, "the forger knows his trade"
    return changed


def bind_checkpoint(connection: apsw.Connection, id_: int, seq: int, ts_ns: int, packed: bytes) -> None:
    """docs/journal-format.md: SHA-256(hash(seq) || seq u64 || ts_ns i64 || body)."""
    link = connection.execute("SELECT hash FROM journal WHERE seq = ?", (seq,)).get
    digest = sha256(link + seq.to_bytes(8, "big") + ts_ns.to_bytes(8, "big", signed=True) + packed).digest()
    row = (seq, packed, digest, id_)
    connection.execute("UPDATE checkpoint SET seq = ?, body = ?, sha256 = ? WHERE id = ?", row)


def nth(kind: str, number: int, change: Callable[[dict[str, Any]], None] | None) -> Forge:
    """Change the ``number``-th record (from 1) of a kind; without ``change`` it is taken away."""
    seen = Counter[str]()

    def forged(record: Record) -> bytes | None:
        seen[record.kind] += 1
        if (record.kind, seen[kind]) != (kind, number):
            return record.body
        if change is None:
            return None
        plain = json.loads(record.body)
        change(plain)
        return json.dumps(plain, separators=(",", ":"), ensure_ascii=False).encode()

    return forged


def add(member: str, amount: int) -> Callable[[dict[str, Any]], None]:
    def change(plain: dict[str, Any]) -> None:
        plain[member] += amount

    return change


def put(*path: str | int, value: object) -> Callable[[Any], None]:
    """Set the member at ``path``."""

    def change(plain: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        for step in path[:-1]:
            plain = plain[step]
        plain[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("kind", "number", "change", "complaints"),
    [
        ("place", 2, add("price", 1), ["another command"]),
        ("place", 2, add("lots", -1), ["another command"]),
        ("place", 2, add("ts_ns", 1), ["another command"]),
        ("decisions", 2, put(0, 3, value="crossing_up"), ["another decision"]),
        ("decisions", 2, put(-1, 4, 0, value=1), ["another decision"]),
        ("decisions", 2, put(0, 5, value="killed"), ["another decision"]),
        # What follows has no line of its own to differ in: it shows in what it caused, or in the books.
        ("place", 2, None, ["another command", "the books at the beginning: positions"]),
        ("notify", 1, None, ["another command"]),
        ("order_filled", 1, add("fee", 1), ["the state of checkpoint", "the books at the beginning: positions"]),
        ("order_filled", 1, add("lots", -1), ["another", "the state of checkpoint", "the books at the beginning"]),
        ("order_filled", 1, None, ["another", "the state of checkpoint", "the books at the beginning"]),
        ("kill", 1, None, ["another", "a recorded command does not come out", "the state of checkpoint"]),
        ("session", 1, put("engine", "order_lots", value=99), ["another"]),
        ("session", 2, put("state", "ledger", "peak", value=1), ["the state"]),
        ("session", 3, put("state", "ledger", "peak", value=1), ["the state at the beginning: ledger"]),
        ("session", 2, put("state", "sequence", value=999), ["the books at the beginning: sequence"]),
        ("session", 3, put("parameters", "slow", value=12), ["another decision"]),
    ],
)  # fmt: skip
def test_a_changed_past_is_found(
    kind: str, number: int, change: Callable[[Any], None] | None, complaints: list[str], copy: Path
) -> None:
    [seq] = forge(copy, nth(kind, number, change))
    audited = replayed(copy)
    assert audited.exit_code == 1, audited.text
    first = audited.differences[0]
    assert any(complaint in first["what"] for complaint in complaints), first
    assert "DIFFERS" in audited.text
    if kind in ("place", "decisions") and change is not None:
        assert first["seq"] == seq
        assert f"DIFFERS at record {seq} " in audited.text
        assert first["recorded"] != first["replayed"]


def test_the_last_command_cannot_be_taken_away(copy: Path) -> None:
    """Nothing stands after it that could disagree."""
    last = records(copy, "place")[-1]
    assert forge(copy, lambda record: None if record.seq == last.seq else record.body) == [last.seq]
    audited = replayed(copy, "--session", "3")
    assert audited.exit_code == 1
    assert audited.differences[0]["what"] in ("a command that was not recorded", "another command")


def test_a_command_cannot_be_added(copy: Path) -> None:
    """A copy of the last one, of the same time, in the place of the record after it."""
    last = records(copy, "place")[-1]
    extra = json.dumps({**json.loads(last.body), "client_id": "ztb-00000000000000000000"}, separators=(",", ":"))
    connection = opened(copy)
    statement = "UPDATE journal SET kind = 'place', ts_ns = ?, body = ? WHERE seq = ?"
    connection.execute(statement, (last.ts_ns, extra.encode(), last.seq + 1))
    connection.close()
    # The chain is computed anew over what stands there now.
    rechain(copy)
    audited = replayed(copy, "--session", "3")
    assert audited.exit_code == 1
    # Another one if the session still asked for something after it, else one too many.
    assert audited.differences[0]["what"] in ("another command", "a recorded command does not come out")
    assert audited.differences[0]["seq"] == last.seq + 1


def rechain(state_dir: Path) -> None:
    """Compute every hash anew."""
    connection = opened(state_dir)
    [(install, profile, mode)] = rows_of(connection, "SELECT install, profile, mode FROM identity")
    link = genesis(install, profile, mode)
    for seq, ts_ns, kind, body in rows_of(connection, "SELECT seq, ts_ns, kind, body FROM journal ORDER BY seq"):
        link = documented_hash(link, seq, (ts_ns, kind, body))
        connection.execute("UPDATE journal SET hash = ? WHERE seq = ?", (link, seq))
    connection.execute("UPDATE head SET hash = ?", (link,))
    for id_, seq, ts_ns, packed in rows_of(connection, "SELECT id, seq, ts_ns, body FROM checkpoint"):
        bind_checkpoint(connection, id_, seq, ts_ns, packed)
    connection.close()


def test_a_changed_checkpoint_is_found(copy: Path) -> None:
    """Bound to its record as it should be, with a peak that never was."""
    connection = opened(copy)
    [(id_, seq, ts_ns, packed)] = rows_of(
        connection, "SELECT id, seq, ts_ns, body FROM checkpoint ORDER BY id DESC LIMIT 1"
    )
    snapshot = json.loads(zstandard.ZstdDecompressor().decompress(packed))
    snapshot["engine"]["ledger"]["peak"] += 1
    packed = zstandard.ZstdCompressor().compress(json.dumps(snapshot, sort_keys=True).encode())
    bind_checkpoint(connection, id_, seq, ts_ns, packed)
    connection.close()
    audited = replayed(copy, "--session", "3")
    assert audited.exit_code == 1
    assert audited.differences[0]["what"] == f"the state of checkpoint {id_}: ledger"


def test_a_checkpoint_that_does_not_fit_is_told(copy: Path) -> None:
    connection = opened(copy)
    connection.execute("UPDATE checkpoint SET ts_ns = ts_ns + 1 WHERE id = (SELECT max(id) FROM checkpoint)")
    connection.close()
    audited = replayed(copy, "--session", "3")
    assert audited.exit_code == 3
    assert audited.sessions[0]["checkpoints_bad"] == 1
    assert "its hash does not fit" in audited.text


def test_without_any_checkpoint_the_books_are_still_held(copy: Path) -> None:
    connection = opened(copy)
    connection.execute("DELETE FROM checkpoint")
    connection.close()
    honest = replayed(copy, "--session", "3")
    assert honest.exit_code == 0, honest.text
    assert "is not kept any more; its recovery is not checked" in honest.text
    # With the session before it, which was stopped in order, the recovery is checked all the same.
    assert replayed(copy).sessions[2]["notes"] == []
    forge(copy, nth("order_filled", 1, add("fee", 1)))
    audited = replayed(copy, "--session", "3")
    assert audited.exit_code == 1
    assert audited.differences[0]["what"] == "the books at the beginning: positions"


# --- the market -----------------------------------------------------------------------------------------------------


def tape_of(state_dir: Path, number: int) -> Path:
    """The recording of a session."""
    name: str = json.loads(records(state_dir, "session")[number - 1].body)["tape"]
    return state_dir / "tapes" / name


def test_a_changed_price_on_the_tape_is_found(copy: Path) -> None:
    path = tape_of(copy, 3)
    reader = TapeReader(path)
    trades = [event for event in reader.events() if isinstance(event, Trade)]
    changed_ns = trades[len(trades) // 2].ts_ns
    forged = path.with_suffix(".forged")
    with TapeWriter(forged, reader.meta) as writer:
        for event in reader.events():
            if isinstance(event, Trade) and event.ts_ns >= changed_ns:
                event.price += 40
            writer.add(event)
    forged.replace(path)
    audited = replayed(copy, "--session", "3")
    assert audited.exit_code == 1
    assert "another" in audited.differences[0]["what"] or "the state" in audited.differences[0]["what"]
    assert audited.differences[0]["ts_ns"] >= changed_ns


def test_a_tape_that_is_gone_leaves_its_session_unproven(copy: Path) -> None:
    tape_of(copy, 2).unlink()
    audited = replayed(copy)
    assert audited.exit_code == 3
    assert [session["proven"] for session in audited.sessions[1:]] == [False, True]
    assert "No such file" in audited.sessions[1]["problem"]
    assert "CANNOT BE REPLAYED" in audited.text


def test_a_damaged_tape_leaves_its_session_unproven(copy: Path) -> None:
    path = tape_of(copy, 2)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"BLCK") + 60] ^= 1
    path.write_bytes(damaged)
    audited = replayed(copy)
    assert audited.exit_code == 3
    assert "a block is damaged (checksum)" in audited.sessions[1]["problem"]


def test_a_cut_tape_is_compared_as_far_as_it_goes(copy: Path) -> None:
    path = tape_of(copy, 2)
    whole = path.read_bytes()
    blocks = [found.start() for found in re.finditer(b"BLCK", whole)]
    path.write_bytes(whole[: blocks[len(blocks) // 2] + 10])
    audited = replayed(copy, "--session", "2")
    [session] = audited.sessions
    own = session_of(records(copy), 2)
    recorded = sum(len(json.loads(record.body)) for record in own if record.kind == "decisions")
    recorded += sum(record.kind in COMMAND_KINDS for record in own)
    assert session["difference"] is None, audited.text
    assert session["commands"] > 0
    assert session["left_over"] == recorded - session["commands"] - session["decisions"] > 0
    assert audited.exit_code == 3
    assert "lie beyond what can be replayed" in audited.text
    # Within, everything is still held.
    first = next(record for record in own if record.kind == "place")
    price = json.loads(first.body)["price"]
    changed = first.body.replace(f'"price":{price}'.encode(), f'"price":{price + 1}'.encode())
    assert forge(copy, lambda record: changed if record.seq == first.seq else record.body) == [first.seq]
    for cut in blocks[len(blocks) // 2 :]:
        # After a kill the first order may come late in the session.
        path.write_bytes(whole[: cut + 10])
        audited = replayed(copy, "--session", "2")
        if audited.exit_code == 1:
            break
    assert audited.exit_code == 1
    assert audited.differences[0]["seq"] == first.seq


# --- what is no session ---------------------------------------------------------------------------------------------


def test_a_journal_of_a_replay_holds_no_session(tmp_path: Path) -> None:
    assert ztb("replay", "--out", tmp_path / "out", "--journal", "durable", "--quiet").exit_code == 0
    audited = replayed(tmp_path / "out")
    assert audited.exit_code == 2
    assert "holds no session of a trader" in audited.error


def test_a_broken_chain_is_not_replayed(copy: Path) -> None:
    connection = opened(copy)
    connection.execute("UPDATE journal SET ts_ns = ts_ns + 1 WHERE seq = 5")
    connection.close()
    audited = replayed(copy)
    assert audited.exit_code == 65
    assert "the chain breaks at record 5" in audited.error


def test_no_state_directory(tmp_path: Path) -> None:
    audited = replayed(tmp_path / "none")
    assert audited.exit_code == 2
    assert "there is no journal at" in audited.error


def test_the_trader_of_the_story_was_a_trader(story: Path) -> None:
    """The story itself: three sessions, one after another, with the same install and rising epochs."""
    started = [json.loads(record.body) for record in records(story, "started")]
    assert [event["epoch"] for event in started] == [1, 2, 3]
    assert len({event["install"] for event in started}) == 1
