"""The APIs of Cloudflare, Route 53 and Elastic Load Balancing as far as the drivers use them, strict about what they are sent.

    clouds.py cloudflare|route53|elbv2 FOLDER ADDRESS PORT

State lives in FOLDER/world.json, so that it outlives this process; FOLDER/world is its text for the test, FOLDER/where the site that users
get to. FOLDER/faults has lines "METHOD KIND TIMES": what goes wrong next ("SYNC:CHANGE": it
does not arrive). Requests to AWS must bear a Signature of Version 4, computed here
by AWS's description of it, which is first tried on examples that AWS has published."""
import datetime
import hashlib
import hmac
import json
import os
import pathlib
import socket
import sys
import threading
import urllib.parse
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SITES = {"192.0.2.10": "production", "198.51.100.10": "dr", "production.akig.test": "production", "dr.akig.test": "dr"}
TOKEN = "token of the tests"
KEYS = {"AKIDTEST": ("secret/of+the tests", None), "ASIATEST": ("temporary", "session/token==")}
ZONE = "023e105f4ecef8ad9ca31a8372d0c353"
HOSTED = "Z1D633PJN98FT9"
R53 = "https://route53.amazonaws.com/doc/2013-04-01/"
ELB = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"
ARN = "arn:aws:elasticloadbalancing:eu-west-3:123456789012:"
LISTENER, RULE = ARN + "listener/app/akig/50dc6c495c0c9188/f2f7dc8efc522ab2", ARN + "listener-rule/app/akig/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee"
GROUPS = {"production": ARN + "targetgroup/production/73e2d6bc24d8a067", "dr": ARN + "targetgroup/dr/943f017f100becff"}


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


# ---- Signature Version 4 ----

def canonical_query(query: str) -> str:
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    quoted = [(urllib.parse.quote(k, safe="-_.~"), urllib.parse.quote(v, safe="-_.~")) for k, v in pairs]
    return "&".join(f"{k}={v}" for k, v in sorted(quoted))


def signature(secret: str, method: str, path: str, query: str, headers: dict[str, str], signed: list[str], body: bytes, scope: str) -> str:
    canonical = "\n".join([method, urllib.parse.quote(path, safe="/-_.~"), canonical_query(query), *[f"{name}:{' '.join(headers[name].split())}" for name in signed], "",
                           ";".join(signed), hashlib.sha256(body).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for word in scope.split("/"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def try_published_examples() -> None:
    """get-vanilla and get-vanilla-query-order-key-case of AWS's test suite, and the walk-through with IAM of its documentation."""
    secret, headers = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}
    for query, wanted in (("", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
                          ("Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500")):
        assert signature(secret, "GET", "/", query, headers, sorted(headers), b"", "20150830/us-east-1/service/aws4_request") == wanted
    headers |= {"host": "iam.amazonaws.com", "content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert signature(secret, "GET", "/", "Action=ListUsers&Version=2010-05-08", headers, sorted(headers), b"",
                     "20150830/us-east-1/iam/aws4_request") == "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"


def check_signature(request: BaseHTTPRequestHandler, body: bytes, region: str, service: str) -> None:
    headers = {name.lower(): value for name, value in request.headers.items()}
    algorithm, _, rest = headers.get("authorization", "").partition(" ")
    if algorithm != "AWS4-HMAC-SHA256":
        raise Refused(403, "MissingAuthenticationToken", "Missing Authentication Token")
    said = dict(part.strip().split("=", 1) for part in rest.split(","))
    access, _, scope = said["Credential"].partition("/")
    if access not in KEYS:
        raise Refused(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
    secret, token = KEYS[access]
    if headers.get("x-amz-security-token") != token:
        raise Refused(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
    stamp = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    if abs((datetime.datetime.now(datetime.timezone.utc) - stamp).total_seconds()) > 300:
        raise Refused(403, "SignatureDoesNotMatch", f"Signature expired: {headers['x-amz-date']} is now earlier than the allowed time")
    if scope != f"{headers['x-amz-date'][:8]}/{region}/{service}/aws4_request":
        raise Refused(403, "SignatureDoesNotMatch", f"Credential should be scoped to a valid region. ({scope})")
    signed = said["SignedHeaders"].split(";")
    if signed != sorted(signed) or "host" not in signed or not {name for name in headers if name.startswith("x-amz-")} <= set(signed):
        raise Refused(403, "SignatureDoesNotMatch", "host and all x-amz- headers must be signed, in their order")
    path, _, query = request.path.partition("?")
    if said["Signature"] != signature(secret, request.command, path, query, headers, signed, body, scope):
        raise Refused(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")


# ---- worlds ----

class World:
    start: dict

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        path = folder / "world.json"
        self.state = json.loads(path.read_text()) if path.exists() else json.loads(json.dumps(self.start))
        self.save()

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").rename(path)

    def save(self) -> None:
        self.write("world.json", json.dumps(self.state))
        self.write("world", self.text())
        self.publish()

    def publish(self) -> None:
        self.write("where", self.where())

    def fault(self, method: str) -> str | None:
        path = self.folder / "faults"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        for line in lines:
            if line[0] == method and int(line[2]) > 0:
                line[2] = str(int(line[2]) - 1)
                self.write("faults", "".join(" ".join(one) + "\n" for one in lines))
                return line[1]
        return None

    def text(self) -> str: ...
    def where(self) -> str: ...
    def carry_out(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, str]: ...
    def complaint(self, e: Refused) -> tuple[int, str, str]: ...


class Cloudflare(World):
    start = {"next": 4, "records": [
        {"id": "1" * 32, "name": "www.akig.test", "type": "A", "content": "192.0.2.10", "ttl": 300, "proxied": False, "comment": "of a person"},
        {"id": "2" * 32, "name": "www.akig.test", "type": "AAAA", "content": "2001:db8::10", "ttl": 1, "proxied": False, "comment": None},
        {"id": "3" * 32, "name": "www.akig.test", "type": "TXT", "content": "v=spf1 -all", "ttl": 1, "proxied": False, "comment": None}]}

    def text(self) -> str:
        return "".join(sorted(f"{r['name']} {r['type']} {r['content']} {r['ttl']} {r['proxied']}\n" for r in self.state["records"]))

    def where(self) -> str:
        return " ".join(sorted({SITES.get(r["content"], "?") for r in self.state["records"] if r["type"] in ("A", "CNAME")}))

    def complaint(self, e: Refused) -> tuple[int, str, str]:
        return e.status, "application/json", json.dumps({"success": False, "errors": [{"code": int(e.code), "message": e.message}], "messages": [], "result": None})

    def carry_out(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, str]:
        path, _, query = request.path.partition("?")
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refused(403, "10000", "Authentication error")
        if not path.startswith(f"/client/v4/zones/{ZONE}/dns_records"):
            raise Refused(404, "7003", "Could not route to " + path)
        rest, result = path.removeprefix(f"/client/v4/zones/{ZONE}/dns_records"), None
        if request.command == "GET" and rest == "":
            words = dict(urllib.parse.parse_qsl(query, strict_parsing=True))
            if set(words) != {"name.exact", "per_page"}:
                raise Refused(400, "9207", f"unexpected parameters {sorted(words)}")
            found = [r for r in self.state["records"] if r["name"] == words["name.exact"].lower()]
            return 200, "application/json", json.dumps({"success": True, "errors": [], "messages": [], "result": found[:int(words["per_page"])], "result_info": {
                "page": 1, "per_page": int(words["per_page"]), "count": len(found), "total_count": len(found), "total_pages": 1}})
        if request.command == "POST" and rest == "/batch":
            if request.headers.get("Content-Type") != "application/json":
                raise Refused(400, "6003", "Invalid request headers")
            result = self.batch(json.loads(body))
        if result is None:
            raise Refused(405, "10405", "Method not allowed")
        return 200, "application/json", json.dumps({"success": True, "errors": [], "messages": [], "result": result})

    def batch(self, batch: dict) -> dict:
        records, after = {r["id"]: dict(r) for r in self.state["records"]}, {"deletes": [], "patches": [], "puts": [], "posts": []}
        if not set(batch) <= set(after) or not any(batch.values()):
            raise Refused(400, "9207", "Request body is invalid")
        for one in batch.get("deletes", []):
            if set(one) != {"id"} or one["id"] not in records:
                raise Refused(404, "81044", "Record does not exist.")
            after["deletes"].append(records.pop(one["id"]))
        for kind in ("patches", "posts"):
            for one in batch.get(kind, []):
                if set(one) != {"name", "type", "content", "ttl", "proxied"} | ({"id"} if kind == "patches" else set()):
                    raise Refused(400, "9000", f"unexpected fields {sorted(one)}")
                if (one["ttl"] != 1 if one["proxied"] else one["ttl"] != 1 and not 60 <= one["ttl"] <= 86400) or one["name"].endswith("."):
                    raise Refused(400, "9021", "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.")
                if kind == "patches" and one["id"] not in records:
                    raise Refused(404, "81044", "Record does not exist.")
                if kind == "posts":
                    one = {**one, "id": f"{self.state['next']:032x}", "comment": None}
                    self.state["next"] += 1
                records[one["id"]] = {**records.get(one["id"], {}), **one}
                after[kind].append(records[one["id"]])
        seen = [(r["name"], r["type"], r["content"]) for r in records.values()]
        if len(seen) != len(set(seen)):
            raise Refused(400, "81058", "An identical record already exists.")
        for name in {r["name"] for r in records.values()}:
            types = [r["type"] for r in records.values() if r["name"] == name and r["type"] in ("A", "AAAA", "CNAME")]
            if "CNAME" in types and len(types) > 1:
                raise Refused(400, "81053", "An A, AAAA, or CNAME record with that host already exists.")
        self.state["records"] = list(records.values())
        self.save()
        return after


class Aws(World):
    region, service = "", ""

    def complaint(self, e: Refused) -> tuple[int, str, str]:
        space = R53 if self.service == "route53" else ELB
        return e.status, "text/xml", (f'<?xml version="1.0"?>\n<ErrorResponse xmlns="{space}"><Error><Type>Sender</Type><Code>{e.code}</Code><Message>{e.message}</Message>'
                                      "</Error><RequestId>b25f48e8-84fd-11e6-80d9-574e0c4664cb</RequestId></ErrorResponse>")

    def carry_out(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, str]:
        check_signature(request, body, self.region, self.service)
        root = self.answer(request, body)
        return 200, "text/xml", '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> ET.Element: ...


def element(name: str, *children: "ET.Element | str", **attributes: str) -> ET.Element:
    made = ET.Element(name, attributes)
    for child in children:
        if isinstance(child, str):
            made.text = child
        else:
            made.append(child)
    return made


class Route53(Aws):
    region, service = "us-east-1", "route53"
    start = {"changes": {}, "sets": [["www.akig.test.", "A", 60, ["192.0.2.10"]], ["www.akig.test.", "AAAA", 300, ["2001:db8::10"]],
                                     ["www.akig.test.", "TXT", 60, ['"v=spf1 -all"']], ["\\052.akig.test.", "A", 60, ["192.0.2.10"]]]}
    in_sync_after = 0.15

    def text(self) -> str:
        return "".join(sorted(f"{' '.join(map(str, one[:3]))} {' '.join(one[3])}\n" for one in self.state["sets"]))

    def where(self) -> str:
        return " ".join(sorted({SITES.get(v.rstrip("."), "?") for name, kind, _, values in self.state["sets"] if name.startswith("www") and kind in ("A", "CNAME") for v in values}))

    def save(self) -> None:
        """The name servers follow a little later."""
        self.write("world.json", json.dumps(self.state))
        self.write("world", self.text())
        if not (self.folder / "where").exists():
            self.publish()
        timer = threading.Timer(self.in_sync_after, self.publish)
        timer.daemon = True
        timer.start()

    def set_of(self, one: list) -> ET.Element:
        name, kind, ttl, values, *routing = one
        made = element("ResourceRecordSet", element("Name", name), element("Type", kind))
        for key, value in (routing[0] if routing else {}).items():
            made.append(element(key, value))
        if ttl is not None:
            made.append(element("TTL", str(ttl)))
            made.append(element("ResourceRecords", *[element("ResourceRecord", element("Value", value)) for value in values]))
        return made

    def info(self, name: str) -> ET.Element:
        done = (datetime.datetime.now(datetime.timezone.utc).timestamp() - self.state["changes"][name] > self.in_sync_after) and self.fault(f"SYNC:{name}") is None
        return element("ChangeInfo", element("Id", f"/change/{name}"), element("Status", "INSYNC" if done else "PENDING"), element("SubmittedAt", "2026-11-23T05:00:00.000Z"))

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> ET.Element:
        path, _, query = request.path.partition("?")
        if request.command == "GET" and path.startswith("/2013-04-01/change/"):
            name = path.rsplit("/", 1)[1]
            if name not in self.state["changes"]:
                raise Refused(404, "NoSuchChange", f"Could not find resource with ID: {name}")
            return element("GetChangeResponse", self.info(name), xmlns=R53)
        if not path.startswith(f"/2013-04-01/hostedzone/{HOSTED}/rrset"):
            raise Refused(404, "NoSuchHostedZone", f"No hosted zone found with ID: {path.split('/')[3]}")
        if request.command == "GET" and path.endswith("/rrset"):
            words = dict(urllib.parse.parse_qsl(query, strict_parsing=True))
            if set(words) != {"maxitems", "name", "type"}:
                raise Refused(400, "InvalidInput", f"unexpected parameters {sorted(words)}")
            order = lambda name, kind: (list(reversed(name.rstrip(".").split("."))), kind)  # noqa: E731
            start = order(words["name"].lower().replace("*", "\\052"), words["type"])
            found = sorted((one for one in self.state["sets"] if order(one[0], one[1]) >= start), key=lambda one: order(one[0], one[1]))
            most = int(words["maxitems"])
            return element("ListResourceRecordSetsResponse", element("ResourceRecordSets", *[self.set_of(one) for one in found[:most]]),
                           element("IsTruncated", "true" if len(found) > most else "false"), element("MaxItems", str(most)), xmlns=R53)
        if request.command == "POST" and path.endswith("/rrset/"):
            name = f"C{len(self.state['changes']) + 1:013d}"
            self.change(ET.fromstring(body))
            self.state["changes"][name] = datetime.datetime.now(datetime.timezone.utc).timestamp()
            self.save()
            return element("ChangeResourceRecordSetsResponse", self.info(name), xmlns=R53)
        raise Refused(405, "InvalidAction", "no such request")

    def change(self, root: ET.Element) -> None:
        sets = [list(one) for one in self.state["sets"]]
        name_of = lambda tag: f"{{{R53}}}{tag}"  # noqa: E731
        if root.tag != name_of("ChangeResourceRecordSetsRequest"):
            raise Refused(400, "MalformedInput", f"Unexpected root {root.tag}")
        for change in root.findall(f"{name_of('ChangeBatch')}/{name_of('Changes')}/{name_of('Change')}"):
            one = change.find(name_of("ResourceRecordSet"))
            action, name, kind, ttl = change.findtext(name_of("Action")), one.findtext(name_of("Name")).replace("*", "\\052"), one.findtext(name_of("Type")), int(one.findtext(name_of("TTL")))
            values = [value.text for value in one.findall(f"{name_of('ResourceRecords')}/{name_of('ResourceRecord')}/{name_of('Value')}")]
            there = next((i for i, old in enumerate(sets) if old[:2] == [name, kind]), None)
            if action == "DELETE":
                if there is None or sets[there][2] != ttl or sorted(sets[there][3]) != sorted(values):
                    raise Refused(400, "InvalidChangeBatch", f"[Tried to delete resource record set [name='{name}', type='{kind}'] but the values provided do not match the current values]")
                del sets[there]
            elif action == "CREATE":
                if there is not None:
                    raise Refused(400, "InvalidChangeBatch", f"[Tried to create resource record set [name='{name}', type='{kind}'] but it already exists]")
                sets.append([name, kind, ttl, values])
            else:
                raise Refused(400, "InvalidInput", f"Invalid action {action}")
        for name in {one[0] for one in sets}:
            if len(kinds := [one[1] for one in sets if one[0] == name]) > 1 and "CNAME" in kinds:
                raise Refused(400, "InvalidChangeBatch", f"[RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records]")
        self.state["sets"] = sets


class Elbv2(Aws):
    region, service = "eu-west-3", "elasticloadbalancing"
    start = {"listener": [[GROUPS["production"], 1]], "rule": [[GROUPS["production"], 100], [ARN + "targetgroup/canary/1", 0]], "more": "", "sticky": False}

    def text(self) -> str:
        return json.dumps([self.state["listener"], self.state["rule"]])

    def where(self) -> str:
        return " ".join(sorted({name for name, arn in GROUPS.items() for group, weight in self.state["listener"] if group == arn and weight}))

    def actions(self, name: str, groups: list) -> ET.Element:
        forward = element("member", element("Type", "forward"), element("Order", "1"), element("ForwardConfig", element("TargetGroups", *[
            element("member", element("TargetGroupArn", arn), element("Weight", str(weight))) for arn, weight in groups]),
            element("TargetGroupStickinessConfig", element("Enabled", "true" if self.state["sticky"] else "false"))))
        if len(groups) == 1:
            forward.append(element("TargetGroupArn", groups[0][0]))
        more = [element("member", element("Type", self.state["more"]))] if self.state["more"] else []
        return element(name, *more, forward)

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> ET.Element:
        if request.command != "POST" or request.path != "/" or not request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            raise Refused(400, "InvalidAction", "no such request")
        words = dict(urllib.parse.parse_qsl(body.decode(), strict_parsing=True))
        action, version = words.pop("Action"), words.pop("Version")
        if version != "2015-12-01":
            raise Refused(400, "InvalidAction", f"Could not find operation {action} for version {version}")
        if action == "DescribeTargetHealth":
            arn = words.pop("TargetGroupArn")
            result = self.health(next((name for name, group in GROUPS.items() if group == arn), ""))
        elif action in ("DescribeListeners", "ModifyListener"):
            self.named(words, "ListenerArn" if action == "ModifyListener" else "ListenerArns.member.1", LISTENER, "ListenerNotFound")
            self.modify(action, words, "listener", "DefaultActions")
            result = element("Listeners", element("member", element("ListenerArn", LISTENER), element("Port", "443"), self.actions("DefaultActions", self.state["listener"])))
        elif action in ("DescribeRules", "ModifyRule"):
            self.named(words, "RuleArn" if action == "ModifyRule" else "RuleArns.member.1", RULE, "RuleNotFound")
            self.modify(action, words, "rule", "Actions")
            result = element("Rules", element("member", element("RuleArn", RULE), element("Priority", "1"), self.actions("Actions", self.state["rule"])))
        else:
            raise Refused(400, "InvalidAction", f"Could not find operation {action}")
        if words:
            raise Refused(400, "ValidationError", f"unexpected {sorted(words)}")
        return element(f"{action}Response", element(f"{action}Result", result), element("ResponseMetadata", element("RequestId", "1")), xmlns=ELB)

    def named(self, words: dict, key: str, arn: str, code: str) -> None:
        if words.pop(key, None) != arn:
            raise Refused(400, code, "One or more listeners not found" if code == "ListenerNotFound" else "One or more rules not found")

    def modify(self, action: str, words: dict, what: str, prefix: str) -> None:
        if not action.startswith("Modify"):
            return
        if words.pop(f"{prefix}.member.1.Type") != "forward":
            raise Refused(400, "InvalidLoadBalancerAction", "no action that is understood")
        groups = []
        while (arn := words.pop(f"{prefix}.member.1.ForwardConfig.TargetGroups.member.{len(groups) + 1}.TargetGroupArn", None)) is not None:
            groups.append([arn, int(words.pop(f"{prefix}.member.1.ForwardConfig.TargetGroups.member.{len(groups) + 1}.Weight"))])
        if not 1 <= len(groups) <= 5 or any(not 0 <= weight <= 999 for _, weight in groups) or len({arn for arn, _ in groups}) != len(groups):
            raise Refused(400, "InvalidLoadBalancerAction", "between 1 and 5 target groups, weights from 0 to 999")
        self.state[what] = groups
        self.save()

    def health(self, site: str) -> ET.Element:
        if not site:
            raise Refused(400, "TargetGroupNotFound", "One or more target groups not found")
        path = self.folder / f"{site}.health"
        states = path.read_text().split() if path.exists() else ["healthy", "draining"]
        return element("TargetHealthDescriptions", *[element("member", element("HealthCheckPort", "80"), element("Target", element("Id", f"i-{i}"), element("Port", "80")), element(
            "TargetHealth", element("State", state), *([] if state == "healthy" else [element("Reason", "Target.Timeout"), element("Description", "Request timed out")])))
            for i, state in enumerate(states)])


# ---- the server ----

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: World

    def log_message(self, *args: object) -> None:
        pass

    def send(self, status: int, kind: str, text: str, **headers: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def cut(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not an end
        self.connection.close()

    def handle_one(self) -> None:
        world, body = self.world, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with world.lock:
            with open(world.folder / "requests", "a") as log:
                log.write(f"{self.command} {self.path.partition('?')[0]}\n")
            fault = world.fault(self.command)
            if fault == "cut":
                return self.cut()
            if fault in ("429", "later"):
                status, kind, text = world.complaint(Refused(429, "971", "Please wait and consider throttling your request speed"))
                return self.send(status, kind, text, Retry_After="1" if fault == "429" else "240")
            if fault == "throttled":
                return self.send(*world.complaint(Refused(400, "Throttling", "Rate exceeded")))
            if fault == "503":
                return self.send(503, "text/html", "<html>upstream connect error</html>")
            try:
                status, kind, text = world.carry_out(self, body)
            except Refused as e:
                status, kind, text = world.complaint(e)
            if fault == "lost":
                return self.cut()
            if fault == "lie":
                text = text.replace('"success": true', '"success": false').replace("Response", "Nothing").replace("Result", "Nothing")
            self.send(status, kind, "{]<x" if fault == "junk" else text)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_one


def main() -> None:
    try_published_examples()
    kind, folder, address, port = sys.argv[1:]
    Handler.world = {"cloudflare": Cloudflare, "route53": Route53, "elbv2": Elbv2}[kind](pathlib.Path(folder))
    os.umask(0o022)
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer((address, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
