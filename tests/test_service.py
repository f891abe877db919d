"""The HTTP service as clients meet it: a real process, answers of the classifier, refusals that quote nothing."""

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from strijdtaal import Classifier, __version__
from strijdtaal.labels import KEYS, LABELS
from tests.conftest import small_corpus
from tests.service_process import serving

ARTICLE = (
    "Ankara stuurt wapens naar Tripoli. Het regende.\n\nDe rebellen 🕊️ gaven Ál-Jufra over; «wij gaan», zei er één."
)
SECRET = "Geheimzinnige zin die nergens in een logboek hoort."


@pytest.fixture(scope="module")
def classifier(bundle):
    return Classifier.load(bundle, threads=1)


@pytest.fixture(scope="module")
def service(bundle):
    with serving(bundle) as running:
        yield running
        assert running.stop() == 0
    assert running.errors.count("\n") == 1, running.errors  # where it serves, and nothing else


@pytest.fixture(scope="module")
def sentences():
    return list(dict.fromkeys(row["text"] for row in small_corpus()))


def close_to(prediction):
    """A prediction as JSON whose probabilities may differ in the last digits: batches round differently."""
    value = prediction.as_dict()
    return value | {"probabilities": pytest.approx(value["probabilities"], abs=1e-6)}


def test_predict_answers_what_the_classifier_says(service, classifier, sentences):
    status, answer = service.predict(*sentences[:40])
    assert status == 200
    assert answer == {"predictions": [close_to(item) for item in classifier.predict(sentences[:40])]}
    assert "start" not in answer["predictions"][0]


def test_predict_article_answers_with_offsets(service, classifier):
    status, _, answer = service.post("/predict_article", {"text": ARTICLE})
    assert status == 200
    assert answer == {"predictions": [close_to(item) for item in classifier.predict_article(ARTICLE)]}
    assert [ARTICLE[item["start"] : item["end"]] for item in answer["predictions"]] == [
        item["text"] for item in answer["predictions"]
    ]


def test_empty_inputs_are_answered(service):
    assert service.predict() == (200, {"predictions": []})
    assert service.post("/predict_article", {"text": " \n"})[2] == {"predictions": []}
    status, answer = service.predict("")
    assert status == 200
    assert len(answer["predictions"]) == 1


def test_an_article_longer_than_a_batch_is_answered_whole(service, classifier, sentences):
    article = "\n\n".join(sentences[:200])
    _, _, answer = service.post("/predict_article", {"text": article})
    assert answer["predictions"] == [close_to(item) for item in classifier.predict_article(article)]
    assert service.metric("strijdtaal_tokens_total") > 2048


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{}", "sentences: Field required"),
        (b"", "not JSON"),
        (b"zinnen", "not JSON"),
        (b"[1]", "dictionary"),
        (b'{"sentences": "een zin"}', "sentences: Input should be a valid list"),
        (b'{"sentences": [null, 3]}', "sentences.1: Input should be a valid string"),
        (json.dumps({"sentences": ["x"] * 257}).encode(), "at most 256"),
        (json.dumps({"sentences": ["x" * 20_001]}).encode(), "at most 20000"),
        (json.dumps({"sentences": [], SECRET: 1}).encode(), "(a key): Extra inputs"),
        (json.dumps({"sentences": [{"text": SECRET}]}).encode(), "sentences.0"),
        (b'{"sentences": [], "zinnen": []}', "zinnen: Extra inputs"),
        (b'{"sentences": ["a"], "sentences": ["b"]}', "twice"),
        (b'{"sentences": [NaN]}', "NaN"),
        (b'{"sentences": [' + b"9" * 5_000 + b"]}", "digits"),
        (b'{"sentences": ["\\ud800"]}', "unicode"),
        (b'{"sentences": ["\xe9"]}', "not UTF-8 (byte 16)"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_wrong_bodies_get_422_with_field_and_reason_only(service, body, reason):
    status, _, answer = service.post("/predict", body)
    assert status == 422
    assert list(answer) == ["error"]
    assert reason in answer["error"]
    assert SECRET not in answer["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Encoding": "gzip"}, 415),
        ({"Inference_Header_Content_Length": "10"}, 415),
        ({"Content_Type": "application/json; charset=utf-8"}, 200),
        ({"Content_Type": "application/vnd.api+json"}, 200),
        ({"Content_Type": ""}, 200),
    ],
)
def test_media_types(service, headers, status):
    found, _, answer = service.post("/predict", {"sentences": ["Het regende."]}, **headers)
    assert found == status
    assert ("error" in answer) == (status != 200)


def test_unknown_paths_and_methods_have_the_error_form(service):
    for method, path, status in (("GET", "/nergens", 404), ("GET", "/predict", 405), ("DELETE", "/health", 405)):
        found, headers, answer = service.request(method, path)
        assert found == status
        assert list(answer) == ["error"]
        assert ("allow" in headers) == (status == 405)


def test_health_readiness_and_settings(service, classifier):
    assert service.get("/health")[::2] == (200, {"status": "ok"})
    assert service.get("/ready")[::2] == (200, {"status": "ready"})
    status, _, settings = service.get("/settings")
    assert status == 200
    assert settings["sha256"] == classifier.contract.sha256
    assert settings["service"] == __version__
    thresholds = classifier.contract.thresholds_by_key
    assert settings["labels"] == [
        {"key": label.key, "dutch": label.dutch, "english": label.english, "threshold": thresholds[label.key]}
        for label in LABELS
    ]
    assert settings["limits"]["article_characters"] == 100_000
    assert settings["in_browser"] is False


def ask_from_many_threads(service, classifier, sentences):
    """Each request has its own sentences; what the service says must be what the classifier says of these."""
    expected = dict(zip(sentences, classifier.probabilities(sentences), strict=True))
    generator = random.Random(1)
    jobs = [generator.sample(sentences, generator.choice([1, 2, 5, 30])) for _ in range(300)]
    start = threading.Barrier(24)

    def client(number):
        start.wait()
        return [(job, service.predict(*job)) for job in jobs[number::24]]

    with ThreadPoolExecutor(24) as pool:
        answers = [answer for found in pool.map(client, range(24)) for answer in found]
    assert len(answers) == 300
    for job, (status, answer) in answers:
        assert status == 200
        assert [item["text"] for item in answer["predictions"]] == job
        for item in answer["predictions"]:
            assert [item["probabilities"][key] for key in KEYS] == pytest.approx(expected[item["text"]], abs=1e-5)


def test_many_clients_get_their_own_answers_from_shared_batches(service, classifier, sentences):
    names = ["strijdtaal_batch_requests_count", "strijdtaal_batch_requests_sum"]
    before = [service.metric(name) for name in names]
    ask_from_many_threads(service, classifier, sentences)
    batches, requests = (service.metric(name) - old for name, old in zip(names, before, strict=True))
    assert requests >= 300
    assert batches < requests  # some held more than one


@pytest.mark.slow
def test_many_clients_get_their_own_answers_from_several_models_at_once(bundle, classifier, sentences):
    with serving(bundle, "--inference-threads=3", "--batch-tokens=64", "--workers=4") as busy:
        ask_from_many_threads(busy, classifier, sentences)


def test_requests_sent_at_once_on_one_connection_are_answered_in_order(service):
    with service.connect() as connection:
        for text in ("Een.", "Twee.", "Drie."):
            body = json.dumps({"sentences": [text]}).encode()
            connection.sendall(
                f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            )
        received = b""
        while received.count(b"predictions") < 3:
            received += connection.recv(65536)
    assert received.index(b"Een.") < received.index(b"Twee.") < received.index(b"Drie.")


def test_metrics_count_requests_sentences_stages_and_reasons(service):
    names = (
        'strijdtaal_requests_total{route="/predict",status="200"}',
        "strijdtaal_sentences_total",
        *(f'strijdtaal_seconds_count{{stage="{stage}"}}' for stage in ("tokenisation", "queue", "inference", "total")),
        'strijdtaal_rejected_requests_total{reason="invalid"}',
        'strijdtaal_requests_total{route="other",status="404"}',
    )
    before = [service.metric(name) for name in names]
    service.predict("Het regende.", "De regen hield aan.", "Er viel sneeuw.")
    service.post("/predict", b"[")
    service.get(f"/{SECRET.replace(' ', '%20')}")
    differences = [service.metric(name) - old for name, old in zip(names, before, strict=True)]
    assert differences == [1, 3, 1, 1, 1, 1, 1, 1]
    assert service.metric("strijdtaal_queue_tokens") == 0
    assert service.metric("strijdtaal_open_requests") == 0
    status, headers, text = service.get("/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=")
    assert SECRET.split()[0].encode() not in text


def test_connections_stay_open_across_refusals(service):
    """A refused body is read away, so that a client can go on with its connection."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    for body, status in ((b"x" * 2_000_001, 413), (b'{"sentences": ["Het sneeuwt."]}', 200), (b"[", 422), (b"{}", 422)):
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()
