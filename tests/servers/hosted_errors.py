"""The errors that hosted chat services document, and what each asks a caller to do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.servers.errors import ApiError

BUSY, LATER, STOP, KEY, ITEM = "busy", "later", "no credit", "rejected", "item"


@dataclass(frozen=True)
class ServiceError:
    """One error, with what it means."""

    status: int
    body: Mapping[str, Any]
    meaning: str

    def __str__(self) -> str:
        error = self.body["error"]
        return f"{self.status} {error.get('code') or error.get('type')} {error.get('status', '')}"

    def raised(self) -> ApiError:
        """The same for a server to raise."""
        return _RawError(self)


class _RawError(ApiError):
    def __init__(self, error: ServiceError) -> None:
        super().__init__(error.status, "why", outcome=error.meaning)
        self.body = json.dumps(error.body).encode()


def openai_error(code: str, kind: str = "invalid_request_error", message: str = "why") -> dict[str, Any]:
    """The body of an error in OpenAI's form."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def google_error(code: int, status: str, *details: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an error as google.rpc.Status has it."""
    return {"error": {"code": code, "message": "why", "status": status, "details": list(details)}}


_KEY_INVALID = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
_DAY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}
_RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}

_OPENAI = [
    (429, "rate_limit_exceeded", "requests", BUSY),
    (429, "slow_down", "requests", BUSY),
    (429, "insufficient_quota", "insufficient_quota", STOP),
    (429, "credit_balance_exhausted", "insufficient_quota", STOP),
    (429, "organization_spend_limit_exceeded", "insufficient_quota", STOP),
    (429, "project_spend_limit_exceeded", "insufficient_quota", STOP),
    (429, "organization_usage_limit_exceeded", "insufficient_quota", STOP),
    (503, "server_is_overloaded", "server_error", BUSY),
    (500, "", "server_error", LATER),
    (401, "invalid_api_key", "invalid_request_error", KEY),
    (403, "unsupported_country_region_territory", "request_forbidden", KEY),
    (404, "model_not_found", "invalid_request_error", KEY),
    (400, "content_policy_violation", "invalid_request_error", ITEM),
    (413, "", "invalid_request_error", ITEM),
    (422, "", "invalid_request_error", ITEM),
]
_STEPFUN = [
    (400, "request_params_invalid", ITEM),
    (401, "invalid_api_key", KEY),
    (402, "quota_exceeded", STOP),
    (404, "model_not_found", KEY),
    (429, "rate_limit_exceeded", BUSY),
    (451, "censorship_block", ITEM),
    (500, "unexpected_error", LATER),
    (503, "server_overloaded", BUSY),
    (504, "timeout", LATER),
]
_DASHSCOPE = [
    (429, "Throttling", BUSY),
    (429, "Throttling.RateQuota", BUSY),
    (429, "limit_requests", BUSY),
    (429, "Throttling.BurstRate", BUSY),
    (429, "limit_burst_rate", BUSY),
    (429, "Throttling.AllocationQuota", BUSY),
    (429, "insufficient_quota", BUSY),
    (429, "PrepaidBillOverdue", STOP),
    (429, "PostpaidBillOverdue", STOP),
    (429, "CommodityNotPurchased", STOP),
    (400, "Arrearage", STOP),
    (403, "AllocationQuota.FreeTierOnly", STOP),
    (401, "InvalidApiKey", KEY),
    (401, "invalid_api_key", KEY),
    (403, "AccessDenied", KEY),
    (403, "AccessDenied.Unpurchased", KEY),
    (403, "Model.AccessDenied", KEY),
    (404, "model_not_found", KEY),
    (404, "model_not_supported", KEY),
    (400, "DataInspectionFailed", ITEM),
    (400, "data_inspection_failed", ITEM),
    (400, "InvalidParameter", ITEM),
    (400, "InvalidParameter.NotSupportEnableThinking", ITEM),
    (500, "InternalError", LATER),
    (500, "RequestTimeOut", LATER),
    (503, "ModelServingError", BUSY),
    (503, "ModelUnavailable", BUSY),
    (200, "data_inspection_failed", ITEM),
    (200, "Throttling.RateQuota", BUSY),
]
_GEMINI = [
    (408, "CANCELLED", (), LATER),
    (429, "RESOURCE_EXHAUSTED", (_RETRY,), BUSY),
    (429, "RESOURCE_EXHAUSTED", (_DAY, _RETRY), STOP),
    (500, "INTERNAL", (), LATER),
    (502, "UNAVAILABLE", (), LATER),
    (503, "UNAVAILABLE", (), BUSY),
    (503, "RESOURCE_EXHAUSTED", (), BUSY),
    (504, "DEADLINE_EXCEEDED", (), LATER),
    (400, "INVALID_ARGUMENT", (), ITEM),
    (400, "FAILED_PRECONDITION", (), ITEM),
    (400, "INVALID_ARGUMENT", (_KEY_INVALID,), KEY),
    (403, "PERMISSION_DENIED", (), KEY),
    (404, "NOT_FOUND", (), KEY),
]

ERRORS: Mapping[str, list[ServiceError]] = {
    "gpt_audio": [ServiceError(status, openai_error(code, kind), meaning) for status, code, kind, meaning in _OPENAI],
    "step_audio_2": [
        ServiceError(status, {"error": {"message": "why", "type": kind}}, meaning) for status, kind, meaning in _STEPFUN
    ],
    "qwen3_omni_flash": [
        ServiceError(status, openai_error(code, code), meaning) for status, code, meaning in _DASHSCOPE
    ],
    "gemini_2_5_flash": [
        ServiceError(status, google_error(status, name, *details), meaning)
        for status, name, details, meaning in _GEMINI
    ],
}
"""By configuration: OpenAI's guide "Error codes", StepFun's "error codes", Model Studio's "Error codes", Google's
"Troubleshooting" and the statuses that its client retries."""
