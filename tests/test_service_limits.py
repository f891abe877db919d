"""Every limit of the service, on real processes and bare sockets: size, time, room, clients that leave, its end."""

import contextlib
import json
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.service_process import serving

SECRET = "Geheimzinnige zin die nergens in een logboek hoort."
POISON = "Deze zin maakt het model kapot."
NOT_A_NUMBER = "Deze zin geeft geen getal."
HEAD = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def small(bundle):
    """Little room, short times, a model that takes 0.3 s a batch and fails on two sentences."""
    options = ("--max-body=20000", "--queue-tokens=200", "--batch-tokens=16", "--timeout=1.2", "--read-timeout=1")
    with serving(bundle, *options, delay=0.3, fault=POISON, nan=NOT_A_NUMBER) as running:
        yield running
        running.predict(POISON)
        assert running.stop() == 0
    for text in (SECRET, POISON, NOT_A_NUMBER, "Traceback"):
        assert text not in running.errors
    assert "RuntimeError at service_process.py" in running.errors


def body_of(*sentences):
    return json.dumps({"sentences": list(sentences)}).encode()


def raw_request(*sentences):
    body = body_of(*sentences)
    return f"{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body


def answer_on(connection):
    """Status and body of the answer on a bare connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            return 0, received
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return int(head[9:12]), json.loads(body)


def test_a_body_that_is_too_large_gets_413_before_it_is_sent(small):
    for extra in ("", "Expect: 100-continue\r\n"):
        with small.connect() as connection:
            connection.sendall(f"{HEAD}{extra}Content-Length: 20001\r\n\r\n".encode())
            status, answer = answer_on(connection)
            assert (status, list(answer)) == (413, ["error"])


@pytest.mark.slow
def test_a_refused_body_is_not_read_for_ever(small):
    with small.connect() as connection:
        connection.sendall(f"{HEAD}Content-Length: 1000000000\r\n\r\n".encode())
        assert answer_on(connection)[0] == 413
        start = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < start + 10:
                connection.sendall(b"x" * 1000)
                time.sleep(0.05)
        assert time.monotonic() - start < 5


def test_chunked_bodies_are_read_and_counted(small):
    body = body_of("Het sneeuwt.")
    with small.connect() as connection:
        connection.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        for part in (body[:7], body[7:]):
            connection.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert answer_on(connection)[0] == 200
    with small.connect() as connection:
        connection.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(21):  # no last chunk: the refusal cannot wait for the end
            connection.sendall(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        assert answer_on(connection)[0] == 413


def test_more_tokens_than_the_queue_holds_get_413(small):
    status, answer = small.predict(*["De rebellen gaven de luchtbasis over aan het regeringsleger."] * 20)
    assert status == 413
    assert "one request may have 200" in answer["error"]


@pytest.mark.slow
def test_slow_clients_get_408(small):
    before = small.metric('strijdtaal_rejected_requests_total{reason="read_timeout"}')
    with small.connect() as head, small.connect() as body, small.connect() as silent:
        start = time.monotonic()
        head.sendall(b"POST /predict HTT")
        body.sendall(f"{HEAD}Content-Length: 100\r\n\r\n{{".encode())
        for _ in range(3):  # a byte now and then must not help
            time.sleep(0.25)
            head.sendall(b"P")
            body.sendall(b" ")
        assert answer_on(head)[0] == 408
        assert answer_on(body)[0] == 408
        assert 0.9 < time.monotonic() - start < 3
        assert (head.recv(10), body.recv(10), silent.recv(10)) == (b"", b"", b"")  # all three are closed
    assert small.metric('strijdtaal_rejected_requests_total{reason="read_timeout"}') == before + 2


def test_what_is_no_http_gets_400_in_the_same_form(small):
    with small.connect() as connection:
        connection.sendall(b"\x16\x03\x01 geen http\r\n\r\n")
        status, answer = answer_on(connection)
        assert (status, list(answer)) == (400, ["error"])


@pytest.mark.slow
def test_a_full_queue_answers_429_at_once_and_what_was_accepted_is_answered(small):
    def client(number):
        start = time.monotonic()
        status, headers, answer = small.post("/predict", {"sentences": [f"{SECRET} Nummer {number}."]})
        return status, headers, answer, time.monotonic() - start

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(client, range(40)))
    statuses = [status for status, *_ in answers]
    assert set(statuses) <= {200, 429, 504}
    assert 200 in statuses
    assert statuses.count(429) >= 10
    for status, headers, answer, seconds in answers:
        if status == 429:
            assert 1 <= int(headers["retry-after"]) <= 60
            assert "full" in answer["error"]
            assert seconds < 1
    small.wait_for("strijdtaal_ready", 1)
    assert small.metric("strijdtaal_queue_tokens") <= 200


@pytest.mark.slow
def test_too_slow_gets_504_and_its_waiting_work_is_dropped(small):
    before = small.metric("strijdtaal_sentences_total")
    sentences = [f"De colonne trok verder, kilometer {number}." for number in range(10)]  # ten batches, three seconds
    start = time.monotonic()
    status, answer = small.predict(*sentences)
    assert status == 504
    assert "1.2 seconds" in answer["error"]
    assert time.monotonic() - start < 2.5
    assert small.metric("strijdtaal_queue_tokens") == 0
    time.sleep(0.5)
    assert small.metric("strijdtaal_sentences_total") - before < 8


@pytest.mark.slow
def test_a_client_that_leaves_takes_its_waiting_work_along(small):
    before = small.metric("strijdtaal_sentences_total")
    gone = small.metric('strijdtaal_rejected_requests_total{reason="disconnected"}')
    with small.connect() as connection:
        connection.sendall(raw_request(*[f"De stoet vertrok, kilometer {number}." for number in range(10)]))
        small.wait_for("strijdtaal_queue_requests", 1)
    small.wait_for('strijdtaal_rejected_requests_total{reason="disconnected"}', gone + 1)
    assert small.metric("strijdtaal_queue_tokens") == 0
    time.sleep(0.7)
    assert small.metric("strijdtaal_sentences_total") - before <= 3
    assert small.metric('strijdtaal_requests_total{route="/predict",status="499"}') >= 1


@pytest.mark.parametrize("text", [POISON, NOT_A_NUMBER])
def test_a_fault_of_the_model_gives_500_and_harms_nobody_else(small, text):
    status, answer = small.predict(text)
    assert status == 500
    assert list(answer) == ["error"]
    assert text not in answer["error"]
    assert "service_process" not in answer["error"]
    assert small.get("/health")[0] == small.get("/ready")[0] == 200
    assert small.predict("Het sneeuwt.")[0] == 200


@pytest.mark.slow
def test_one_request_does_not_fail_the_others_of_its_batch(bundle):
    with serving(bundle, delay=0.2, fault=POISON) as service, ThreadPoolExecutor(9) as pool:
        first = pool.submit(service.predict, "Het sneeuwt.")
        service.wait_for("strijdtaal_open_requests", 1)
        texts = ["Er viel sneeuw.", POISON, "Het dooide.", "De zon scheen."]
        found = [answer.result()[0] for answer in [pool.submit(service.predict, text) for text in texts]]
        assert first.result()[0] == 200
        assert found == [200, 500, 200, 200]
        assert service.metric("strijdtaal_failed_batches_total") == 2  # all of them, then the one alone


@pytest.mark.slow
def test_too_many_connections_are_turned_away(bundle):
    with serving(bundle, "--connections=3") as service:
        held = [service.connect() for _ in range(3)]
        time.sleep(0.2)
        with service.connect() as one_more:
            status, answer = answer_on(one_more)
            assert (status, list(answer)) == (503, ["error"])
        for connection in held:
            connection.close()
        time.sleep(0.2)
        assert service.predict("Het sneeuwt.")[0] == 200


@pytest.mark.slow
def test_a_client_that_does_not_read_its_answer_is_cut_off(bundle):
    with serving(bundle, "--read-timeout=0.5", "--max-sentence=1000000", "--max-body=20000000") as service:
        before = service.metric("process_open_fds")
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", service.port))
            connection.sendall(raw_request(*[" " * 999_999] * 12))
            service.wait_for('strijdtaal_requests_total{route="/predict",status="200"}', 1, 30)
            assert service.metric("process_open_fds") == before + 1
            time.sleep(1)
            assert service.metric("process_open_fds") == before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_accepted_requests_finish(bundle, number):
    with serving(bundle, delay=1.0) as service, ThreadPoolExecutor(4) as pool:
        accepted = [pool.submit(service.predict, f"Het sneeuwt, dag {day}.") for day in range(3)]
        service.wait_for("strijdtaal_open_requests", 3)
        service.process.send_signal(number)
        time.sleep(0.3)
        assert service.get("/ready")[0] == 503
        assert service.get("/v2/health/ready")[0] == 503
        assert service.get("/health")[0] == 200
        status, answer = service.predict("Te laat.")
        assert (status, answer) == (503, {"error": "The service is stopping."})
        assert [answer.result()[0] for answer in accepted] == [200, 200, 200]
        assert service.stop() == 0
        assert service.errors.count("\n") == 1, service.errors


@pytest.mark.slow
def test_stopping_does_not_wait_longer_than_its_limit(bundle):
    options = ("--stop-timeout=0.3", "--batch-tokens=16")
    with serving(bundle, *options, delay=0.5) as service, ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(service.predict, *[f"Het sneeuwt, dag {day}." for day in range(20)])
        service.wait_for("strijdtaal_open_requests", 1)
        start = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - start < 5
        assert accepted.result()[0] == 503
    assert "1 requests unanswered" in service.errors


@pytest.mark.slow
def test_while_the_model_loads_the_process_lives_but_is_not_ready(bundle):
    with serving(bundle, ready=False, load=1.0) as service:
        assert service.get("/health")[::2] == (200, {"status": "ok"})
        assert service.get("/v2/health/live")[::2] == (200, {"live": True})
        for path in ("/ready", "/v2/health/ready", "/settings"):
            status, headers, answer = service.get(path)
            assert (status, headers["retry-after"], list(answer)) == (503, "1", ["error"])
        assert service.predict("Het sneeuwt.")[0] == 503
        end = time.monotonic() + 30
        while service.get("/ready")[0] != 200:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert service.predict("Het sneeuwt.")[0] == 200


@pytest.mark.slow
def test_a_signal_while_the_model_loads_ends_the_process_in_order(bundle):
    with serving(bundle, ready=False, load=1.0) as service:
        assert service.get("/health")[0] == 200
        assert service.stop() == 0
        assert service.errors.count("\n") == 1, service.errors
