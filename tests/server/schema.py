"""Requests made from the schema of the API, right and wrong ones, and what may not happen: shared with the bench."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import hypothesis
import schemathesis
from fastapi import FastAPI
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi import checks

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
    checks.negative_data_rejection,
]
SKIPPED = ("/v1/audio/transcriptions",)
"""Waits for the end of an analysis, so it is tried with workers only."""


def check(app: FastAPI, *, examples: int, seed: int = 0) -> tuple[Counter[str], list[str]]:
    """Try every operation with generated requests.

    Returns:
        How many answers there were by operation and status, and what was wrong.
    """
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    answers: Counter[str] = Counter()
    wrong: list[str] = []
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path in SKIPPED:
            continue
        for mode in GenerationMode:
            wrong += _tried(operation, mode, answers, examples, seed)
    return answers, wrong


def _tried(operation, mode, answers, examples, seed) -> Iterator[str]:  # type: ignore[no-untyped-def]
    wrong: dict[str, str] = {}

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(operation.as_strategy(generation_mode=mode))
    def attempt(case: schemathesis.Case) -> None:
        response = case.call()
        answers[f"{operation.label} {response.status_code}"] += 1
        try:
            case.validate_response(response, checks=CHECKS)
        except (Failure, FailureGroup) as failure:
            for one in getattr(failure, "exceptions", [failure]):
                wrong.setdefault(
                    f"{operation.label}: {one}"[:200], f"{operation.label} {case.as_curl_command()}: {one}"
                )

    with suppress(hypothesis.errors.Unsatisfiable):  # nothing can be wrong, as where an operation has no parameters
        attempt()
    yield from wrong.values()
