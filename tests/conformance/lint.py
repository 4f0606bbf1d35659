"""Reads the answers that `roan-tests-conformance answers` prints, and prints what httplint says against them.

Fails if it says anything that ALLOWED does not have. `--all` prints the hints, too."""

import sys

import httplint
from httplint.note import levels

# What httplint says about the answers on purpose, by the names of its notes.
ALLOWED = {
    # An answer for which no policy is set goes out as the app made it.
    "FRESHNESS_HEURISTIC",
}


def exchanges(data):
    while data:
        line, _, data = data.partition(b"\n")
        name, request, length = line.decode().split("\t")
        answer, data = data[: int(length)], data[int(length) :]
        yield name, request, answer


def lint(request, answer):
    method, path = request.split()
    head, _, body = answer.partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    version, status, phrase = (start.split(b" ", 2) + [b""])[:3]
    fields = [tuple(part.strip() for part in line.split(b":", 1)) for line in lines]

    asked = httplint.HttpRequestLinter()
    asked.process_request_topline(method.encode(), f"http://localhost{path}".encode(), b"1.1")
    asked.process_headers([(b"host", b"localhost"), (b"user-agent", b"x")])
    asked.finish_content(True)

    linter = httplint.HttpResponseLinter(no_content=method == "HEAD")
    linter.request = asked
    linter.process_response_topline(version.split(b"/")[1], status, phrase)
    linter.process_headers(fields)
    if method != "HEAD":
        linter.feed_content(body)
    linter.finish_content(True)
    return linter.notes


found, count, level = {}, 0, [levels.BAD, levels.WARN]
if "--all" in sys.argv:
    level += [levels.INFO, levels.GOOD]
for name, request, answer in exchanges(sys.stdin.buffer.read()):
    count += 1
    notes = lint(request, answer)
    for note in [*notes, *(sub for note in notes for sub in note.subnotes)]:
        if note.level in level and type(note).__name__ not in ALLOWED:
            key = (note.level.value, type(note).__name__, note.summary)
            found.setdefault(key, []).append(name)

for (severity, kind, summary), names in found.items():
    print(f"{severity}: {kind}: {summary}\n    {'; '.join(names)}")
print(f"httplint: {count} answers, {len(found)} notes")
sys.exit(bool(found) or not count)
