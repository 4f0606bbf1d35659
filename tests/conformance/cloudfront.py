"""Holds Roan's requests to CloudFront against AWS's own client.

The file that the argument names has them as JSON: the test `each_kind_of_target_is_an_item_of_a_signed_invalidation` writes it.
botocore must accept the body as input of `CreateInvalidation`, write the same XML and the same path from it, and make the same
signature of the request.
"""

import json
import sys
import xml.etree.ElementTree as ET
from datetime import datetime, timezone
from unittest import mock

import botocore.auth
import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.serialize import create_serializer
from botocore.validate import validate_parameters

wire = json.load(open(sys.argv[1]))
session = botocore.session.get_session()
model = session.get_service_model("cloudfront")
operation = model.operation_model("CreateInvalidation")
serializer = create_serializer(model.protocol)
space = "{http://cloudfront.amazonaws.com/doc/2020-05-31/}"


def canonical(text):
    def sorted_children(element):
        children = [sorted_children(child) for child in element]
        # A list keeps its order; the members of a structure have none.
        if len({child[0] for child in children}) == len(children):
            children.sort()
        return (element.tag, (element.text or "").strip(), children)

    return sorted_children(ET.fromstring(text))


assert wire["calls"], "no requests"
for call in wire["calls"]:
    batch = ET.fromstring(call["body"])
    paths = batch.find(space + "Paths")
    distribution = call["target"].split("/")[3]
    params = {
        "DistributionId": distribution,
        "InvalidationBatch": {
            "Paths": {
                "Quantity": int(paths.find(space + "Quantity").text),
                "Items": [path.text for path in paths.find(space + "Items")],
            },
            "CallerReference": batch.find(space + "CallerReference").text,
        },
    }
    validate_parameters(params, operation.input_shape)
    request = serializer.serialize_to_request(params, operation)
    assert call["method"] == request["method"], call["method"]
    assert call["target"] == request["url_path"], (call["target"], request["url_path"])
    body = request["body"]
    assert canonical(call["body"]) == canonical(body), (call["body"], body)

    headers = {name.lower(): value for name, value in call["headers"]}
    authorization = headers["authorization"]
    signed = authorization.split("SignedHeaders=")[1].split(",")[0].split(";")
    again = AWSRequest(
        method=call["method"],
        url=wire["url"] + call["target"],
        data=call["body"].encode(),
        # These two are the signer's own.
        headers={name: headers[name] for name in signed if name not in ("host", "x-amz-date")},
    )
    at = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    with mock.patch("botocore.auth.get_current_datetime", return_value=at, create=True):
        auth = botocore.auth.SigV4Auth(Credentials(wire["id"], wire["key"]), "cloudfront", "us-east-1")
        auth.add_auth(again)
    of = lambda text: text.split("Signature=")[1]
    ours, theirs = of(authorization), of(again.headers["Authorization"])
    assert ours == theirs, (authorization, again.headers["Authorization"])

print(f"{len(wire['calls'])} requests: the body, path and signature are those of botocore {botocore.__version__}")
