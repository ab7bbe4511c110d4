"""What the description of the API cannot say, for Schemathesis as `test/long/schemathesis.test.ts` runs it."""

import itertools
import json
import os
import re
from datetime import datetime, timezone

import schemathesis
from schemathesis import GenerationMode

numbers = itertools.count()
moment = re.compile(os.environ["SENTLOG_DATE_TIME"])


def soon(value):
    """Moments that are neither past retention nor ahead, wherever one stands."""
    if isinstance(value, str) and moment.match(value):
        return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, list):
        return [soon(one) for one in value]
    if isinstance(value, dict):
        return {name: soon(one) for name, one in value.items()}
    return value


def alone(value, field, chars_max):
    """With a name of its own, or it would speak of another one."""
    if isinstance(value, dict) and isinstance(value.get(field), str) and value[field] != "":
        return {**value, field: f"{value[field][:chars_max]}{next(numbers)}"}
    return value


def whole(value):
    """A window of time has both its ends or none, and they are an hour apart."""
    if isinstance(value, list):
        return [whole(one) for one in value]
    if isinstance(value, dict):
        return {name: whole(one) for name, one in value.items() if name != "deliveryTimeWindow"}
    return value


def reachable(value):
    """No pattern tells the names of hosts from what only looks like one."""
    if isinstance(value, list):
        return [reachable(one) for one in value]
    if isinstance(value, dict):
        return {
            name: {**one, "url": os.environ["SENTLOG_REPORTS"]}
            if name in ("delivery", "seen") and isinstance(one, dict) and "url" in one
            else reachable(one)
            for name, one in value.items()
        }
    return value


@schemathesis.hook
def before_call(context, case, kwargs):
    # The tester's own, without which everything else would be refused.
    if (case.path_parameters or {}).get("id") == os.environ["SENTLOG_OWN_KEY"]:
        case.path_parameters["id"] = "another"
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    # Only the server gives a cursor, and no pattern tells a zone from another name.
    for name in ("cursor", "timeZone", "lastEventId"):
        (case.query or {}).pop(name, None)
    (case.headers or {}).pop("Last-Event-ID", None)
    operation = case.operation.definition.raw.get("operationId")
    if not isinstance(case.body, dict):
        return
    case.body = reachable(whole(soon(case.body)))
    if operation == "recordLogs" and "results" in case.body:
        case.body = {**case.body, "results": [alone(record, "messageId", 150) for record in case.body["results"]]}
    elif operation == "recordLogs":
        case.body = alone(case.body, "messageId", 150)
    elif operation in ("createAccount", "createUser"):
        case.body = alone(case.body, "name", 80)
    elif operation == "addMirror":
        case.body = {**case.body, "from": os.environ["SENTLOG_MIRROR"]}
    elif operation == "advanceEmulatorClock":
        case.body = {**case.body, "advance": "1ms"}


@schemathesis.serializer("application/x-ndjson")
def ndjson(context, value):
    return json.dumps(value).encode()
