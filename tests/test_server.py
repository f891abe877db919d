"""The HTTP service: answers of the classifier, limits before work, and a real process on loopback."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from strijdtaal import Classifier

TEXT = "Ankara stuurt wapens naar Tripoli. Het regende."


@pytest.fixture(scope="module")
def service(bundle):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "strijdtaal", "serve", str(bundle), "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    yield url
    process.terminate()
    errors = process.communicate(timeout=30)[1]
    assert TEXT not in errors


def post(url, value, raw=None):
    data = raw if raw is not None else json.dumps(value).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_service_answers_what_the_classifier_says(service, bundle):
    status, answer = post(f"{service}/predict_article", {"text": TEXT})
    assert status == 200
    assert answer["predictions"] == [item.as_dict() for item in Classifier.load(bundle).predict_article(TEXT)]
    status, answer = post(f"{service}/predict", {"sentences": ["Het regende."]})
    assert status == 200
    assert "start" not in answer["predictions"][0]


@pytest.mark.parametrize(
    "body", [{}, {"sentences": "een zin"}, {"sentences": [None]}, {"sentences": ["x"] * 257}, {"zinnen": []}]
)
def test_wrong_shapes_get_422(service, body):
    assert post(f"{service}/predict", body)[0] == 422


def test_a_body_that_is_too_large_gets_413_before_it_is_sent(service):
    host, port = service.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2000001\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_empty_inputs_are_answered(service):
    assert post(f"{service}/predict", {"sentences": []}) == (200, {"predictions": []})
    assert post(f"{service}/predict_article", {"text": " "}) == (200, {"predictions": []})
