"""What the shards of a run say of where their figures come from, put together as the run's own record."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evalkit.adapter import SERVER_SAYS
from evalkit.datasets.fingerprint import Fingerprint
from evalkit.datasets.recordings_place import RecordingsPlace
from evalkit.errors import StoreError
from evalkit.results.fields import Fields
from evalkit.results.folder import PROVENANCE, recorded_models
from evalkit.results.shards import Shard
from evalkit.results.usage import RoleUsage

_SHARD = "shard"


def joined_provenance(records: Mapping[Shard, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the content of the run's ``provenance.json``.

    The data are those of a run without shards: fingerprints of shares add up to that of the whole. Each session says
    of which shard it was; usage is summed.

    Args:
        records: the ``provenance.json`` of every shard.

    Raises:
        StoreError: one is damaged.
    """
    try:
        data = {name: _data(each) for name, each in _by_name(records, "data").items()}
        usage = {name: _usage(each) for name, each in _by_name(records, "usage").items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"{PROVENANCE} of a shard is damaged ({type(error).__name__}: {error})") from error
    sessions = [
        {**session, _SHARD: str(shard)} for shard, record in records.items() for session in record.get("sessions", ())
    ]
    return {
        "models": _models(records.values()),
        "data": data,
        "left_out": next(iter(records.values())).get("left_out", {}),
        "sessions": sorted(sessions, key=lambda session: str(session.get("started"))),
        "usage": usage,
    }


def has_other_sessions(provenance: Mapping[str, Any]) -> bool:
    """Tell whether a run's provenance has sessions that were no shard's."""
    return any(_SHARD not in session for session in Fields(PROVENANCE, provenance).listed("sessions"))


def _by_name(records: Mapping[Shard, Mapping[str, Any]], section: str) -> dict[str, list[Mapping[str, Any]]]:
    """Return what the shards have in a section, by task."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for record in records.values():
        for name, content in Fields(PROVENANCE, record).mappings(section).items():
            found.setdefault(name, []).append(content)
    return found


def _data(shares: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    place = RecordingsPlace.joined(RecordingsPlace.from_json(share) for share in shares if share["samples"])
    return {**Fingerprint.joined(shares).to_json(), **place.to_json()}


def _usage(shares: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    sums: dict[str, RoleUsage] = {}
    for share in shares:
        for role, took in share.items():
            sums[role] = sums.get(role, RoleUsage()) + RoleUsage.from_json(took)
    return {role: took.to_json() for role, took in sums.items()}


def _models(records: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    models: dict[str, dict[str, Any]] = {}
    for record in records:
        for role, fingerprint in recorded_models(record).items():
            said = {**models.get(role, {}).get(SERVER_SAYS, {}), **fingerprint.get(SERVER_SAYS, {})}
            models[role] = {**fingerprint, **({SERVER_SAYS: said} if said else {})}
    return models
