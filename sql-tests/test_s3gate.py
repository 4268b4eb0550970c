"""The instrument itself: s3gate keeps S3's promises and breaks them when told."""

import os
import threading

import pytest
from botocore.exceptions import ClientError
from support.stores import S3Store, s3_client

ROUNDS = int(os.environ.get("SQLBRIDGE_RACE_ROUNDS", 25))


@pytest.fixture
def s3(faulty):
    return s3_client(faulty)


def status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def create(client, key, body=b"x"):
    return client.put_object(Bucket="bucket", Key=key, Body=body, IfNoneMatch="*")


def exists(client, key) -> bool:
    return client.list_objects_v2(Bucket="bucket", Prefix=key)["KeyCount"] == 1


def test_one_of_sixteen_writers_wins_each_round(s3):
    barrier = threading.Barrier(16)
    wins = [[] for _ in range(ROUNDS)]

    def write(writer):
        for number in range(ROUNDS):
            barrier.wait()
            try:
                create(s3, f"race/{number}", str(writer).encode())
                wins[number].append(writer)
            except ClientError as error:
                assert status(error) == 412

    threads = [threading.Thread(target=write, args=(w,)) for w in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(w) for w in wins] == [1] * ROUNDS
    for number, (winner,) in enumerate(wins):
        assert s3.get_object(Bucket="bucket", Key=f"race/{number}")["Body"].read() == str(winner).encode()


def test_signatures_are_checked(faulty):
    for wrong in ({"aws_secret_access_key": "wrong"}, {"aws_access_key_id": "nobody"}):
        with pytest.raises(ClientError) as error:
            create(s3_client(faulty, **wrong), "signed")
        assert status(error.value) == 403


def test_a_missing_bucket_is_named(s3):
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3.get_object(Bucket="nowhere", Key="k")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3.put_object(Bucket="nowhere", Key="k", Body=b"x")


@pytest.mark.parametrize("action, applied", [("drop_before", False), ("drop_after", True)])
def test_drop(faulty, s3, action, applied):
    faulty.fault(action, "PUT", f"{action}$", times=1)
    with pytest.raises(Exception, match="(?i)connection|closed"):
        create(s3, f"f/{action}")
    assert exists(s3, f"f/{action}") is applied
    assert faulty.hits() == 1


@pytest.mark.parametrize("action, applied", [("hang_before", False), ("hang_after", True)])
def test_hang(faulty, s3, action, applied):
    faulty.fault(action, "PUT", f"{action}$", times=1, latency_ms=600)
    thread = threading.Thread(target=lambda: pytest.raises(Exception, create, s3, f"f/{action}"))
    thread.start()
    faulty.wait_for_hit()
    thread.join()
    assert exists(s3, f"f/{action}") is applied


@pytest.mark.parametrize("action, applied", [("status", False), ("status_after", True)])
@pytest.mark.parametrize("code", [409, 429, 500, 503])
def test_status(faulty, s3, action, applied, code):
    key = f"f/{action}{code}"
    faulty.fault(action, "PUT", key, times=1, status=code)
    with pytest.raises(ClientError) as error:
        create(s3, key)
    assert status(error.value) == code
    assert exists(s3, key) is applied


def test_truncate_and_damage(faulty, s3):
    body = bytes(range(256)) * 8
    s3.put_object(Bucket="bucket", Key="f/body", Body=body, ChecksumAlgorithm="CRC32")
    faulty.fault("truncate", "GET", "f/body", times=1)
    with pytest.raises(Exception, match="(?i)incomplete|connection|broken"):
        s3.get_object(Bucket="bucket", Key="f/body")["Body"].read()
    faulty.fault("damage", "GET", "f/body", times=1)
    plain = s3_client(faulty)
    plain.meta.config.response_checksum_validation = "when_required"
    damaged = plain.get_object(Bucket="bucket", Key="f/body", Range="bytes=0-1023")["Body"].read()
    assert sum(a != b for a, b in zip(damaged, body)) == 1
    assert s3.get_object(Bucket="bucket", Key="f/body")["Body"].read() == body


def test_stale_listing(faulty, s3):
    create(s3, "stale/a")
    before = s3.list_objects_v2(Bucket="bucket", Prefix="stale/")["KeyCount"]
    create(s3, "stale/b")
    faulty.fault("stale", "LIST", "stale/", times=1)
    assert s3.list_objects_v2(Bucket="bucket", Prefix="stale/")["KeyCount"] == before
    assert s3.list_objects_v2(Bucket="bucket", Prefix="stale/")["KeyCount"] == before + 1


def test_nth_and_log(faulty, s3):
    faulty.fault("status", "PUT", nth=3, times=1, status=500)
    outcomes = []
    for number in range(5):
        try:
            create(s3, f"nth/{number}")
            outcomes.append(200)
        except ClientError as error:
            outcomes.append(status(error))
    assert outcomes == [200, 200, 500, 200, 200]
    assert [r["status"] for r in faulty.requests()] == outcomes
    with pytest.raises(ValueError):
        faulty.fault("explode")


@pytest.mark.stores("file", "s3", "s3gate", "azure")
def test_every_store_can_be_looked_at(store):
    store.write("a/b.bin", b"one")
    store.write("a/b.bin", b"two")
    store.write("c", b"three")
    assert store.keys() == ["a/b.bin", "c"]
    assert store.keys("a/") == ["a/b.bin"]
    assert store.read("a/b.bin") == b"two"
    store.delete("c")
    assert store.keys() == ["a/b.bin"]
    assert isinstance(store, S3Store) == store.hex_levels


def test_lax_and_racy(faulty, s3):
    create(s3, "lax/a", b"first")
    faulty.fault("lax", "PUT")
    create(s3, "lax/a", b"second")
    assert s3.get_object(Bucket="bucket", Key="lax/a")["Body"].read() == b"second"
    faulty.fault("racy", "PUT")
    create(s3, "racy/a")
    with pytest.raises(ClientError):
        create(s3, "racy/a")
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(create(s3, "racy/b"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 4, "all that looked at once have won"
