"""Shapes of requests and answers: what is checked, and what ``/openapi.json`` says."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model

from strijdtaal.labels import KEYS
from strijdtaal.service.limits import Limits

Key = Annotated[str, WithJsonSchema({"type": "string", "enum": list(KEYS)})]
Probabilities = Annotated[
    dict[str, float],
    WithJsonSchema(
        {
            "type": "object",
            "description": "Probability of each label, independent of the others.",
            "properties": {key: {"type": "number", "minimum": 0, "maximum": 1} for key in KEYS},
            "required": list(KEYS),
            "additionalProperties": False,
        }
    ),
]
OUTPUTS = ("probabilities", "decisions", "labels")


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Open(BaseModel):
    """Fields that are not known are passed over: clients of the protocol send some of their own."""

    model_config = ConfigDict(extra="ignore", strict=True)


class RequestOutput(_Open):
    """An output that is asked for; all of them when none is named."""

    name: Literal["probabilities", "decisions", "labels"]
    parameters: dict[str, Any] | None = None


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 3.0 is the integer 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _InputHead(_Open):
    name: Literal["text"]
    datatype: Literal["BYTES"]
    parameters: dict[str, Any] | None = None


class _InferenceHead(_Open):
    id: Annotated[str, Field(max_length=256)] | None = None
    parameters: dict[str, Any] | None = None
    outputs: Annotated[list[RequestOutput], Field(max_length=len(OUTPUTS))] | None = None


def request_models(limits: Limits) -> tuple[type[BaseModel], type[BaseModel], type[BaseModel]]:
    """The bodies of /predict, /predict_article and .../infer under these limits."""
    sentence: Any = Annotated[str, Field(max_length=limits.max_sentence)]
    many: Any = Field(max_length=limits.max_sentences)
    size: Any = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=limits.max_sentences)]
    single: Any = Annotated[list[sentence], Field(min_length=1, max_length=1)]
    tensor: Any = create_model(
        "RequestInput",
        __base__=_InputHead,
        __doc__="The one input tensor. As many strings as the shape says; [n, 1] is read as [n].",
        shape=(list[size], Field(min_length=1, max_length=2)),
        data=(Annotated[list[sentence], many] | Annotated[list[single], many], ...),
    )
    sentences = create_model(
        "Sentences",
        __base__=_Closed,
        __doc__="Sentences to label, one by one.",
        sentences=(list[sentence], many),
    )
    article = create_model(
        "Article",
        __base__=_Closed,
        __doc__="An article to split into sentences and label.",
        text=(str, Field(max_length=limits.max_article)),
    )
    infer = create_model(
        "InferenceRequest",
        __base__=_InferenceHead,
        __doc__="$inference_request of the Open Inference Protocol.",
        inputs=(list[tensor], Field(min_length=1, max_length=1)),
    )
    return sentences, article, infer


class Error(_Closed):
    """Why there is no answer."""

    error: str


class State(_Closed):
    """Whether the process lives, or takes requests in."""

    status: Literal["ok", "ready"]


class SentencePrediction(_Closed):
    """One sentence: labels whose probability reaches the threshold; none gives []."""

    text: str
    labels: list[Key]
    probabilities: Probabilities


class SpanPrediction(SentencePrediction):
    """A sentence of an article with its place in it, in characters (Unicode code points)."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)


class SentencePredictions(_Closed):
    """One prediction for each sentence, in order."""

    predictions: list[SentencePrediction]


class SpanPredictions(_Closed):
    """One prediction for each sentence of the article, in order."""

    predictions: list[SpanPrediction]


class SettingsLabel(_Closed):
    """A label, its names and its threshold."""

    key: Key
    dutch: str
    english: str
    threshold: float


class SettingsLimits(_Closed):
    """What a request may hold, and how long it may take."""

    body_bytes: int
    sentences: int
    sentence_characters: int
    article_characters: int
    request_tokens: int
    seconds: float


class Settings(_Closed):
    """What answers here: ``version`` is that of the model, ``service`` that of the program, ``sha256`` the bundle's."""

    model: str
    version: str
    service: str
    sha256: str
    precision: str
    codebook_version: str
    max_length: int
    labels: list[SettingsLabel]
    limits: SettingsLimits
    files: list[str] = Field(description="What /bundle/ serves.")
    in_browser: bool = Field(description="Whether /transformers/ serves what a browser needs to compute by itself.")
    quantized: bool = Field(description="Whether /bundle/ serves an 8-bit model.")
    key: bool = Field(description="Whether an API key is asked for.")


class Live(_Closed):
    """$live_server_response."""

    live: bool


class Ready(_Closed):
    """$ready_server_response."""

    live: bool
    ready: bool


class ServerMetadata(_Closed):
    """$metadata_server_response."""

    name: str
    version: str
    extensions: list[str]


class ModelReady(_Closed):
    """$ready_model_response."""

    name: str
    ready: bool


class MetadataTensor(_Closed):
    """$metadata_tensor."""

    name: str
    datatype: Literal["BYTES", "FP64", "BOOL"]
    shape: list[int]


class ModelMetadata(_Closed):
    """$metadata_model_response; ``parameters`` names the columns of the outputs and their thresholds."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[MetadataTensor]
    outputs: list[MetadataTensor]
    parameters: dict[str, Any]


class ResponseOutput(_Closed):
    """$response_output; the data row by row."""

    name: Literal["probabilities", "decisions", "labels"]
    datatype: Literal["FP64", "BOOL", "BYTES"]
    shape: list[int]
    data: list[float] | list[bool] | list[str]


class InferenceResponse(_Closed):
    """$inference_response."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[ResponseOutput]
