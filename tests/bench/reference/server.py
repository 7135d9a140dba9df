"""The service's contract, without its extensions but ingest, in FastAPI over DynamoDB: as one writes
it who wants it to work and does not measure. Only for comparison by tests/bench/run."""

import asyncio
import datetime
import gzip
import json
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, Optional

import boto3
import orjson
from boto3.dynamodb.conditions import Key
from botocore.config import Config
from botocore.exceptions import ClientError
from fastapi import FastAPI, Header, HTTPException, Query, Request
from pydantic import BaseModel, Field

TRACES = os.environ.get("DYNAMODB_TRACES_TABLE", "llm-tracer-dev-traces")
SPANS = os.environ.get("DYNAMODB_SPANS_TABLE", "llm-tracer-dev-spans")
TTL_SECONDS = 90 * 86400

resource = boto3.resource("dynamodb", endpoint_url=os.environ.get("DYNAMODB_ENDPOINT_URL"),
                          region_name=os.environ.get("AWS_REGION", "eu-central-1"),
                          config=Config(max_pool_connections=40))


def make_table(name, key, index, keys):
    attributes = {key, *keys}
    try:
        resource.create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": a, "AttributeType": "S"} for a in attributes],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[{
                "IndexName": index, "Projection": {"ProjectionType": "ALL"},
                "KeySchema": [{"AttributeName": a, "KeyType": kind}
                              for a, kind in zip(keys, ("HASH", "RANGE"))]}])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise


make_table(TRACES, "trace_id", "project-time-index", ["project_id", "start_time"])
make_table(SPANS, "span_id", "trace-index", ["trace_id"])
traces, spans = resource.Table(TRACES), resource.Table(SPANS)
workers = ThreadPoolExecutor(32)
app = FastAPI()


class TraceCreate(BaseModel):
    name: str = Field(min_length=1, max_length=255)
    project_id: str = Field(min_length=1, max_length=100, pattern=r"^[a-zA-Z0-9_-]+$")
    metadata: dict[str, Any] = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list, max_length=50)
    user_id: Optional[str] = Field(None, max_length=255)
    session_id: Optional[str] = Field(None, max_length=255)


class SpanCreate(BaseModel):
    name: str = Field(min_length=1, max_length=255)
    span_type: str
    parent_span_id: Optional[str] = Field(None, max_length=100)
    input_data: Optional[dict[str, Any]] = None
    output_data: Optional[dict[str, Any]] = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    model: Optional[str] = Field(None, max_length=255)
    tokens_input: Optional[int] = Field(None, ge=0)
    tokens_output: Optional[int] = Field(None, ge=0)
    cost_usd: Optional[float] = Field(None, ge=0)
    error: Optional[str] = None


class SpanComplete(BaseModel):
    output_data: Optional[dict[str, Any]] = None
    error: Optional[str] = None
    tokens_input: Optional[int] = Field(None, ge=0)
    tokens_output: Optional[int] = Field(None, ge=0)
    cost_usd: Optional[float] = Field(None, ge=0)


class TraceComplete(BaseModel):
    output: Optional[str] = None


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds")


def stored(values):
    """As DynamoDB takes it: no floats, nothing that is not there."""
    return json.loads(json.dumps({k: v for k, v in values.items() if v is not None}),
                      parse_float=Decimal)


def plain(item):
    item.pop("ttl", None)
    return orjson.loads(orjson.dumps(item, default=float))


def expires():
    return int(datetime.datetime.now().timestamp()) + TTL_SECONDS


def project_of(key):
    if not key:
        raise HTTPException(401, "API key missing")
    if not key.startswith("project-") or key == "project-":
        raise HTTPException(400, "Invalid API key format")
    return key[len("project-"):]


def trace_of(trace_id, project):
    item = traces.get_item(Key={"trace_id": trace_id}).get("Item")
    if item is None or item["project_id"] != project:
        raise HTTPException(404, "Trace not found")
    return item


def update(table, key, values):
    names = {f"#{i}": k for i, k in enumerate(values)}
    table.update_item(
        Key=key, ExpressionAttributeNames=names,
        ExpressionAttributeValues={f":{i}": v for i, v in enumerate(values.values())},
        UpdateExpression="SET " + ", ".join(f"#{i} = :{i}" for i in range(len(values))))


def duration(start, end):
    parse = datetime.datetime.fromisoformat
    return int((parse(end) - parse(start)).total_seconds() * 1000)


def put_trace(body, project, trace_id, start=None):
    traces.put_item(Item=stored({**body, "trace_id": trace_id, "start_time": start or now(),
                                 "project_id": project, "span_count": 0, "total_cost": 0,
                                 "ttl": expires()}))


def put_span(body, trace_id, span_id, start=None):
    spans.put_item(Item=stored({**body, "span_id": span_id, "trace_id": trace_id,
                                "start_time": start or now(), "ttl": expires()}))
    traces.update_item(Key={"trace_id": trace_id},
                       UpdateExpression="ADD span_count :one, total_cost :cost",
                       ExpressionAttributeValues={
                           ":one": 1, ":cost": Decimal(str(body.get("cost_usd") or 0))})


@app.post("/api/traces")
def create_trace(body: TraceCreate, x_api_key: Optional[str] = Header(None)):
    project = project_of(x_api_key)
    if body.project_id != project:
        raise HTTPException(403, "Project mismatch")
    trace_id = str(uuid.uuid4())
    put_trace(body.model_dump(), project, trace_id)
    return {"trace_id": trace_id, "status": "created"}


@app.post("/api/traces/{trace_id}/spans")
def create_span(trace_id: str, body: SpanCreate, x_api_key: Optional[str] = Header(None)):
    trace_of(trace_id, project_of(x_api_key))
    span_id = str(uuid.uuid4())
    put_span(body.model_dump(), trace_id, span_id)
    return {"span_id": span_id, "status": "created"}


@app.patch("/api/spans/{span_id}/complete")
def complete_span(span_id: str, body: SpanComplete, x_api_key: Optional[str] = Header(None)):
    project = project_of(x_api_key)
    item = spans.get_item(Key={"span_id": span_id}).get("Item")
    if item is None:
        raise HTTPException(404, "Span not found")
    trace_of(item["trace_id"], project)
    end = now()
    told = stored(body.model_dump())
    update(spans, {"span_id": span_id},
           {**told, "end_time": end, "duration_ms": duration(item["start_time"], end)})
    added = told.get("cost_usd", 0) - item.get("cost_usd", 0) if "cost_usd" in told else 0
    if added:
        traces.update_item(Key={"trace_id": item["trace_id"]},
                           UpdateExpression="ADD total_cost :cost",
                           ExpressionAttributeValues={":cost": added})
    return {"span_id": span_id, "status": "completed"}


@app.patch("/api/traces/{trace_id}/complete")
def complete_trace(trace_id: str, body: TraceComplete, x_api_key: Optional[str] = Header(None)):
    item = trace_of(trace_id, project_of(x_api_key))
    end = now()
    told = {"output": body.output} if body.output else {}
    update(traces, {"trace_id": trace_id},
           {**told, "end_time": end, "duration_ms": duration(item["start_time"], end)})
    return {"trace_id": trace_id, "status": "completed"}


@app.get("/api/traces")
def list_traces(limit: int = Query(50, ge=1, le=1000), cursor: Optional[str] = None,
                x_api_key: Optional[str] = Header(None)):
    more = {"ExclusiveStartKey": json.loads(cursor)} if cursor else {}
    page = traces.query(IndexName="project-time-index", Limit=limit, ScanIndexForward=False,
                        KeyConditionExpression=Key("project_id").eq(project_of(x_api_key)), **more)
    last = page.get("LastEvaluatedKey")
    return {"traces": [plain(t) for t in page["Items"]], "count": len(page["Items"]),
            "next_cursor": json.dumps(last) if last else None, "has_more": bool(last)}


@app.get("/api/traces/{trace_id}")
def get_trace(trace_id: str, x_api_key: Optional[str] = Header(None)):
    item = trace_of(trace_id, project_of(x_api_key))
    found, more = [], {}
    while True:
        page = spans.query(IndexName="trace-index",
                           KeyConditionExpression=Key("trace_id").eq(trace_id), **more)
        found += [plain(s) for s in page["Items"]]
        if "LastEvaluatedKey" not in page:
            return {"trace": plain(item), "spans": found, "span_count": len(found)}
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


@app.post("/api/ingest")
async def ingest(request: Request, x_api_key: Optional[str] = Header(None)):
    """Its own extension, so that batches can be compared: creates only, those of a kind at once."""
    project = project_of(x_api_key)
    raw = await request.body()
    if request.headers.get("content-encoding") == "gzip":
        raw = gzip.decompress(raw)
    lines = [orjson.loads(line) for line in raw.splitlines() if line]

    def write(op, put):
        list(workers.map(put, [line for line in lines if line["op"] == op]))

    def body_of(line, *left):
        return {k: v for k, v in line.items() if k not in ("op", "start_time", *left)}

    def all_of_it():
        write("create_trace", lambda line: put_trace(
            body_of(line, "trace_id", "project_id"), project, line["trace_id"],
            line["start_time"]))
        write("create_span", lambda line: put_span(
            body_of(line, "trace_id", "span_id"), line["trace_id"], line["span_id"],
            line["start_time"]))
    await asyncio.to_thread(all_of_it)
    return {"accepted": len(lines), "rejected": []}


@app.get("/health")
def health():
    return {"status": "healthy", "service": "LLM Tracer", "version": "reference",
            "timestamp": now()}
