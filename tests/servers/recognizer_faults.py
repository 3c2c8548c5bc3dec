"""How hosted recognisers fail, each in the form that its service documents."""

from collections.abc import Mapping

from evalkit.errors import RejectedError, ServerUnavailableError
from tests.servers.recognizers import Reply

TRANSIENT: Mapping[str, list[Reply]] = {
    "doubao_llm_asr": [
        Reply(200, {}, {"X-Api-Status-Code": "45000081", "X-Api-Message": "timeout waiting for next packet"}),
        Reply(200, {}, {"X-Api-Status-Code": "55000031", "X-Api-Message": "server busy"}),
        Reply(200, {}, {"X-Api-Status-Code": "55010001", "X-Api-Message": "internal"}),
    ],
    "azure_speech": [
        Reply(429, {"error": {"code": "429", "message": "Requests have exceeded rate limit"}}, {"Retry-After": "0"}),
        Reply(503, {"code": "ServiceUnavailable", "message": "later", "innerError": {"code": "Busy"}}),
    ],
    "google_chirp_3": [
        Reply(429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded"}}),
        Reply(503, {"error": {"code": 503, "status": "UNAVAILABLE", "message": "later"}}),
        Reply(504, {"error": {"code": 504, "status": "DEADLINE_EXCEEDED", "message": "late"}}),
        Reply(500, {"error": {"code": 500, "status": "INTERNAL", "message": "oh"}}),
    ],
    "deepgram_nova_3": [
        Reply(429, {"err_code": "TOO_MANY_REQUESTS", "err_msg": "Too many requests", "request_id": "r"}),
        Reply(409, {"err_code": "CONFLICT", "err_msg": "again", "request_id": "r"}),
        Reply(408, {"err_code": "SLOW_UPLOAD", "err_msg": "slow", "request_id": "r"}),
        Reply(502, {"err_code": "Bad Gateway", "err_msg": "gone", "request_id": "r"}),
    ],
    "elevenlabs_scribe": [
        Reply(429, {"detail": {"status": "too_many_concurrent_requests", "message": "Too many"}}),
        Reply(429, {"detail": {"status": "system_busy", "message": "busy"}}),
    ],
    "speechmatics": [
        Reply(429, {"code": 429, "error": "Too Many Requests", "detail": "slow down"}),
        Reply(503, {"code": 503, "error": "Service Unavailable"}),
        Reply(404, {"code": 404, "error": "Job not found"}),
    ],
    "assemblyai": [
        Reply(429, {"error_code": "rate_limited", "message": "Too many"}, {"Retry-After": "0"}),
        Reply(503, {"status": 503, "title": "Unavailable", "detail": "later"}, {"Retry-After": "0"}),
        Reply(504, {"error": "timeout"}),
    ],
    "stepfun_asr": [
        Reply(429, {"error": {"message": "rate limit", "type": "rate_limit"}}),
        Reply(200, b'data: {"type":"error","message":"engine"}\n\n', {"Content-Type": "text/event-stream"}),
        Reply(200, b'data: {"type":"transcript.text.delta","delta":"he"}\n\n', {"Content-Type": "text/event-stream"}),
    ],
}
ANYWHERE = [
    Reply(500, b"<html>oh dear</html>", {"Content-Type": "text/html"}),
    Reply(200, b"<html>log in</html>", {"Content-Type": "text/html"}),
    Reply(200, b'{"text": "cut sh'),
    Reply(200, {"status": "ok", "queue": 3}),
    Reply(200, b""),
    Reply(None),
]
REFUSED: Mapping[str, list[Reply]] = {
    "doubao_llm_asr": [
        Reply(200, {}, {"X-Api-Status-Code": code, "X-Api-Message": "no"})
        for code in ("45000000", "45000001", "45000002", "45000131", "45000132", "45000151")
    ],
    "azure_speech": [Reply(400, {"code": "InvalidRequest", "message": "bad audio"})],
    "google_chirp_3": [Reply(400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "too long"}})],
    "deepgram_nova_3": [
        Reply(400, {"err_code": "Bad Request", "err_msg": "corrupt or unsupported data"}),
        Reply(400, {"err_code": "Bad Request", "err_msg": "No such model/language/tier combination found."}),
    ],
    "elevenlabs_scribe": [Reply(400, {"detail": {"status": "invalid_content", "message": "corrupted"}})],
    "speechmatics": [Reply(400, {"code": 400, "error": "Malformed request"})],
    "assemblyai": [Reply(422, {"error_code": "audio_too_short", "message": "too short"})],
    "stepfun_asr": [
        Reply(400, {"error": {"message": "bad audio", "type": "request_params_invalid"}}),
        Reply(451, {"error": {"message": "censored", "type": "censorship_blocked"}}),
    ],
}
STOPPING: Mapping[str, list[tuple[Reply, type[Exception]]]] = {
    "doubao_llm_asr": [
        (Reply(200, {}, {"X-Api-Status-Code": "45000030", "X-Api-Message": "not allowed"}), RejectedError),
        (Reply(401, {"error": "no key"}), RejectedError),
        (Reply(403, {"error": "grant not found"}), RejectedError),
    ],
    "azure_speech": [
        (Reply(401, {"error": {"code": "401", "message": "Access denied"}}), RejectedError),
        (Reply(403, {"error": {"code": "403", "message": "Forbidden"}}), RejectedError),
    ],
    "google_chirp_3": [
        (Reply(401, {"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "token"}}), RejectedError),
        (Reply(403, {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "project"}}), RejectedError),
    ],
    "deepgram_nova_3": [
        (Reply(401, {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."}), RejectedError),
        (Reply(402, {"err_code": "ASR_PAYMENT_REQUIRED", "err_msg": "no credits"}), ServerUnavailableError),
        (Reply(403, {"err_code": "INSUFFICIENT_PERMISSIONS", "err_msg": "model"}), RejectedError),
    ],
    "elevenlabs_scribe": [
        (Reply(401, {"detail": {"status": "invalid_api_key", "message": "Invalid API key"}}), RejectedError),
        (Reply(401, {"detail": {"status": "quota_exceeded", "message": "0 left"}}), ServerUnavailableError),
    ],
    "speechmatics": [
        (Reply(401, {"code": 401, "error": "Permission Denied"}), RejectedError),
        (Reply(403, {"code": 403, "error": "Forbidden"}), RejectedError),
    ],
    "assemblyai": [(Reply(401, {"error_code": "unauthorized", "message": "key"}), RejectedError)],
    "stepfun_asr": [
        (Reply(401, {"error": {"message": "Incorrect API key", "type": "invalid_api_key"}}), RejectedError),
        (Reply(402, {"error": {"message": "balance", "type": "quota_exceeded"}}), ServerUnavailableError),
        (Reply(404, {"error": {"message": "model", "type": "model_not_found"}}), RejectedError),
    ],
}
